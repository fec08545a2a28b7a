"""State of a Deployment's rollout: complete, progressing or stuck. Pure.

A rollout is *complete* by the rules of `kubectl rollout status` (kubernetes,
kubectl/pkg/polymorphichelpers/rollout_status.go) with at least the autoscaler's minimum of replicas. The autoscaler
owns the number of replicas, and scales from one replica to its minimum only after the Deployment is applied.

A rollout is *stuck* when its controller reports a failure, or when a failure that seldom resolves without a change
lasts longer than its time limit. Without the second rule, a mistyped image would be reported only at the controller's
deadline, which allows for a node's start, a large image and a large model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dr.clusters.pod_failures import Failure, Kind, failures, ready, remembered
from dr.topology.serving import ROLLOUT_GRACE_SECONDS

Object = Mapping[str, Any]

CONFIRM_SECONDS = 20
"""Minimum time a failure is observed, whatever the age of its pod; a short outage of a registry ends within it."""
PLACEMENT_SECONDS = 225
"""Boot of a GPU node (120 s) plus the termination of a replica that frees a GPU (105 s)."""
TOLERATED_SECONDS = 120.0
"""How long requests may fail, for example while EKS replaces an API server or an access entry takes effect."""
REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASH = "pod-template-hash"
DEADLINE, COMPLETED = "ProgressDeadlineExceeded", "NewReplicaSetAvailable"


@dataclass(frozen=True)
class Limits:
    """Time limits by kind of failure.

    Args:
        grace: Limit for a replica that fails to start.
        placement: Limit for a replica that cannot be scheduled or exceeds a quota.
        confirm: Minimum time a failure is observed; with 0, only the age of the pod counts.
    """

    grace: timedelta = timedelta(seconds=ROLLOUT_GRACE_SECONDS)
    placement: timedelta = timedelta(seconds=PLACEMENT_SECONDS + ROLLOUT_GRACE_SECONDS)
    confirm: timedelta = timedelta(seconds=CONFIRM_SECONDS)


def limits(grace_seconds: float) -> Limits:
    """Return the limits for a grace period in seconds."""
    grace = timedelta(seconds=grace_seconds)
    return Limits(
        grace=grace,
        placement=timedelta(seconds=PLACEMENT_SECONDS) + grace,
        confirm=min(grace, timedelta(seconds=CONFIRM_SECONDS)),
    )


@dataclass(frozen=True)
class Patience:
    """Time limits of a wait for a rollout.

    Args:
        seconds: Longest duration of a successful rollout, in seconds.
        limits: Time limits by kind of failure.
        enough: Available replicas that meet the region's objective: the minimum of its disruption budget. With this
            many, missing replicas do not fail the rollout.
        tolerated: How long requests may fail, in seconds.
    """

    seconds: float
    limits: Limits
    enough: int
    tolerated: float = TOLERATED_SECONDS


@dataclass(frozen=True)
class Look:
    """Observation of a Deployment and its pods.

    Args:
        at: Time of the observation, by the API server's clock.
        deployment: The Deployment.
        replica_sets: ReplicaSets that match its selector.
        pods: Pods that match its selector.
    """

    at: datetime
    deployment: Object
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()


class Phase(StrEnum):
    """States of a rollout."""

    COMPLETE = "complete"
    PROGRESSING = "progressing"
    STUCK = "stuck"


@dataclass(frozen=True)
class Counts:
    """Numbers of replicas in a rollout.

    Args:
        wanted: Desired replicas.
        updated: Replicas of the new revision.
        ready: Ready replicas of the new revision.
        previous: Ready replicas of earlier revisions.
        available: Replicas of any revision that have been ready for `minReadySeconds`.
    """

    wanted: int
    updated: int
    ready: int
    previous: int
    available: int

    def __str__(self) -> str:
        if not self.wanted:
            return "no replicas are to run"
        updated = f"{self.updated} of {self.wanted} replicas are updated, {self.ready} of these are ready"
        return f"{updated}; {self.serving}"

    @property
    def serving(self) -> str:
        """Numbers of replicas that serve during the rollout, as text."""
        if self.previous:
            return f"{self.previous} of {self.wanted} replicas of the previous revision serve"
        return f"{self.ready} of {self.wanted} replicas serve" if self.ready else "no replica serves"


@dataclass(frozen=True)
class Reason:
    """Reason why a rollout does not complete, common to one or more pods.

    Args:
        kind: A `pod_failures.Kind`, or a state of the controller: "controller", "deadline", "quota", "paused" or
            "scaled".
        subject: The object with the problem.
        fact: The problem, with the message of the kubelet, the scheduler, the container or the controller.
        pods: Names of the pods.
        container: Name of the container; "" for none.
    """

    kind: str
    subject: str
    fact: str
    pods: tuple[str, ...] = ()
    container: str = ""


@dataclass(frozen=True)
class Rollout:
    """State of a rollout at one observation.

    Args:
        phase: Complete, progressing or stuck.
        counts: Numbers of replicas.
        reasons: Why the rollout is not complete; while it is progressing, reasons that may resolve without a change.
        rolled_out: Whether every replica has the new revision and the controller reported completion. Missing replicas
            are then not caused by the rollout.
        known: Failures by key, for the next observation.
        first: Time of the first observation of each failure, by key.
    """

    phase: Phase
    counts: Counts
    reasons: tuple[Reason, ...] = ()
    rolled_out: bool = False
    known: Mapping[tuple[str, str, Kind], Failure] = field(default_factory=dict)
    first: Mapping[tuple[str, str, Kind], datetime] = field(default_factory=dict)

    @property
    def progress(self) -> str:
        """One line with the numbers of replicas and the reasons for waiting."""
        waits = "; ".join(f"{reason.subject}: {reason.fact}" for reason in self.reasons)
        return f"{self.counts}; waiting for {waits}" if waits else str(self.counts)


def judge(look: Look, floor: int, allowed: Limits, before: Rollout | None = None) -> Rollout:
    """Return the state of a rollout.

    Args:
        look: The current observation.
        floor: The autoscaler's minimum number of replicas.
        allowed: Time limits by kind of failure.
        before: State at the previous observation; None for the first.
    """
    deployment = look.deployment
    spec, status = deployment["spec"], deployment.get("status") or {}
    replicas = int(spec.get("replicas", 1))
    of_new, of_old = _by_revision(look)
    updated, available = int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0))
    counts = Counts(
        wanted=max(replicas, floor),
        updated=updated,
        ready=sum(map(ready, of_new)),
        previous=sum(map(ready, of_old)),
        available=available,
    )
    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 0)):
        return Rollout(Phase.PROGRESSING, counts, (Reason("controller", "the Deployment", "not observed yet"),))
    all_new = updated >= counts.wanted and int(status.get("replicas", 0)) <= updated
    rolled_out = all_new and _condition(deployment, "Progressing").get("reason") == COMPLETED
    if all_new and (available >= updated or (rolled_out and available >= floor)):
        return Rollout(Phase.COMPLETE, counts, rolled_out=rolled_out)

    known = remembered(before.known if before else {}, failures(of_new))
    by_key = {each.key: each for each in known}
    first = {key: before.first.get(key, look.at) if before else look.at for key in by_key}
    lasting = [each for each in known if _lasts(each, look.at, first[each.key], allowed)]
    # Failures of pods come first: the controller's reasons are mostly their consequence.
    reasons = [*grouped(lasting, look.at), *_of_controller(look, replicas, floor, allowed)]
    if reasons:
        # Failures below their time limit are listed too, so that one report has all causes.
        subjects = {found.subject for found in reasons}
        others = [
            each
            for each in grouped(known, look.at)
            if each.subject not in subjects and not (lasting and each.kind == Kind.UNREADY)
        ]
        return Rollout(Phase.STUCK, counts, (*reasons, *others), rolled_out, by_key, first)
    return Rollout(Phase.PROGRESSING, counts, tuple(grouped(known, look.at)), rolled_out, by_key, first)


def new_replica_set(look: Look) -> Object | None:
    """Return the ReplicaSet of the Deployment's pod template; None before it exists, as in a paused rollout."""
    owner, wanted = look.deployment["metadata"].get("uid"), _template(look.deployment)
    owned = [each for each in look.replica_sets if _owned_by(each, owner) and _template(each) == wanted]
    return max(owned, key=_revision, default=None)


def grouped(found: Sequence[Failure], now: datetime) -> list[Reason]:
    """Group equal failures into one reason that names their pods."""
    groups: dict[tuple[str, ...], list[Failure]] = {}
    for each in found:
        words = each.message if each.kind is Kind.UNREADY else each.reason
        groups.setdefault((each.kind, each.container, each.image, words), []).append(each)
    return [_reason_of(group, now) for group in groups.values()]


def _reason_of(group: Sequence[Failure], now: datetime) -> Reason:
    pods = tuple(sorted({each.pod for each in group}))
    of, oldest = group[0], min(each.since for each in group)
    seconds = max(0, round((now - oldest).total_seconds()))
    who = f"{len(pods)} {'pod' if len(pods) == 1 else 'pods'} ({', '.join(pods[:3])}{', ...' if len(pods) > 3 else ''})"
    words = f"{of.reason}: {of.message}" if of.message else of.reason
    match of.kind:
        case Kind.PLACEMENT:
            return Reason(of.kind, who, f"no node has room for {seconds} s: {words}", pods)
        case Kind.UNREADY:
            return Reason(of.kind, who, f"not ready for {seconds} s: {of.message}", pods)
        case Kind.IMAGE:
            fact = f"image {of.image} could not be pulled for {seconds} s: {words}"
        case Kind.CRASH:
            attempts = max(each.attempts for each in group)
            fact = f"ended {attempts} times in {seconds} s, image {of.image}: {words}"
        case _:
            fact = f"could not be created for {seconds} s, image {of.image}: {words}"
    return Reason(of.kind, f"container {of.container} of {who}", fact, pods, of.container)


def _lasts(failure: Failure, now: datetime, first: datetime, allowed: Limits) -> bool:
    """Return whether a failure has exceeded the time limit of its kind."""
    if failure.kind is Kind.UNREADY or now - first < allowed.confirm:
        return False
    if failure.reason == "InvalidImageName":
        return True
    return now - failure.since >= (allowed.placement if failure.kind is Kind.PLACEMENT else allowed.grace)


def _of_controller(look: Look, replicas: int, floor: int, allowed: Limits) -> Iterator[Reason]:
    """Yield the reasons in the Deployment's spec and conditions."""
    deployment = look.deployment
    progressing, refused = _condition(deployment, "Progressing"), _condition(deployment, "ReplicaFailure")
    if deployment["spec"].get("paused"):
        yield Reason("paused", "the Deployment", "its rollout is paused: spec.paused is true")
    if floor and not replicas:
        fact = f"spec.replicas is 0, which switches the autoscaler off; its floor is {floor}"
        yield Reason("scaled", "the Deployment", fact)
    if progressing.get("status") == "False" and progressing.get("reason") == DEADLINE:
        limit = deployment["spec"].get("progressDeadlineSeconds", 600)
        yield Reason("deadline", "the Deployment", f"{DEADLINE}: no progress within {limit} s")
    if refused.get("status") == "True":
        since = datetime.fromisoformat(str(refused["lastTransitionTime"]))
        if look.at - since >= allowed.placement:
            seconds = round((look.at - since).total_seconds())
            fact = f"pods are refused for {seconds} s: {refused.get('reason')}: {refused.get('message')}"
            yield Reason("quota", "the ReplicaSet", fact)


def _template(thing: Object) -> Object:
    """Return the pod template without the label pod-template-hash, as the Deployment controller compares templates."""
    template = thing["spec"].get("template") or {}
    meta = template.get("metadata") or {}
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != TEMPLATE_HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def _by_revision(look: Look) -> tuple[list[Object], list[Object]]:
    """Return the pods of the new revision, and all other pods."""
    newest = new_replica_set(look)
    owner = newest["metadata"].get("uid") if newest else None
    there = [pod for pod in look.pods if not pod["metadata"].get("deletionTimestamp")]
    of_new = [pod for pod in there if owner and _owned_by(pod, owner)]
    return of_new, [pod for pod in there if pod not in of_new]


def _owned_by(thing: Object, owner: Any) -> bool:
    return any(each.get("uid") == owner for each in thing["metadata"].get("ownerReferences") or ())


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _condition(thing: Object, kind: str) -> Object:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})
