"""Whether the rollout of a Deployment is complete, goes on, or is stuck. Pure.

Complete is what `kubectl rollout status` calls so (kubernetes, kubectl/pkg/polymorphichelpers/rollout_status.go), with
the floor of the autoscaler for the least of replicas: it owns their number, and lifts one replica to the floor only
after the Deployment was applied.

A rollout is stuck when its controller gave up, or when a failure that seldom ends by itself has lasted longer than its
time limit. Without the second rule, a mistyped image would be waited for until the controller's own deadline, which
has to leave room for a node, a large image and a large model.
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
"""A failure is watched at least so long, however old its pod is: a hiccup of a registry is over by then."""
PLACEMENT_SECONDS = 225
"""A GPU node's boot, 120 s, or the end of the replica whose GPU the next one takes, 105 s; at worst both."""
TOLERATED_SECONDS = 120.0
"""How long requests may fail: an API server that EKS replaces, or an access entry that takes effect."""
REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASH = "pod-template-hash"
DEADLINE, COMPLETED = "ProgressDeadlineExceeded", "NewReplicaSetAvailable"


@dataclass(frozen=True)
class Limits:
    """Time limits by kind of failure.

    Args:
        grace: For a replica that fails to start.
        placement: For a replica that cannot be scheduled, or that a quota refuses.
        confirm: The least time a failure is observed; 0 judges by the age of pods alone.
    """

    grace: timedelta = timedelta(seconds=ROLLOUT_GRACE_SECONDS)
    placement: timedelta = timedelta(seconds=PLACEMENT_SECONDS + ROLLOUT_GRACE_SECONDS)
    confirm: timedelta = timedelta(seconds=CONFIRM_SECONDS)


def limits(grace_seconds: float) -> Limits:
    """Limits with another grace."""
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
        seconds: The longest duration of a good rollout.
        limits: Time limits by kind of failure.
        enough: Available replicas with which a region serves as promised, though some are missing: those that its
            disruption budget keeps. What keeps the others away is then no fault of the rollout.
        tolerated: Seconds in which requests may fail.
    """

    seconds: float
    limits: Limits
    enough: int
    tolerated: float = TOLERATED_SECONDS


@dataclass(frozen=True)
class Look:
    """A Deployment and its pods at a moment.

    Args:
        at: The moment, by the API server's clock.
        deployment: The Deployment.
        replica_sets: ReplicaSets of its namespace.
        pods: Pods that its selector matches.
    """

    at: datetime
    deployment: Object
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()


class Phase(StrEnum):
    """What a rollout can be."""

    COMPLETE = "complete"
    PROGRESSING = "progressing"
    STUCK = "stuck"


@dataclass(frozen=True)
class Counts:
    """Replicas of a rollout.

    Args:
        wanted: Replicas there should be.
        updated: Replicas of the new revision.
        ready: Those of them that are ready.
        previous: Ready replicas of earlier revisions.
        available: Ready replicas of any revision that have been so for a while.
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
        """What serves meanwhile."""
        if self.previous:
            return f"{self.previous} of {self.wanted} replicas of the previous revision serve"
        return f"{self.ready} of {self.wanted} replicas serve" if self.ready else "no replica serves"


@dataclass(frozen=True)
class Reason:
    """A cause that keeps a rollout from completing, shared by one pod or several.

    Args:
        kind: "image", "crash" and so on, or what the controller says: "deadline", "quota", "paused", "scaled".
        subject: What it is about.
        fact: The fact, in the words of the kubelet, the scheduler, the container or the controller.
        pods: Names of the pods.
        container: The container; "" for none.
    """

    kind: str
    subject: str
    fact: str
    pods: tuple[str, ...] = ()
    container: str = ""


@dataclass(frozen=True)
class Rollout:
    """The answer of a look.

    Args:
        phase: Complete, progressing or stuck.
        counts: Replicas.
        reasons: What holds it up; where it is progressing, what may yet end by itself.
        rolled_out: Whether every replica is of the new revision and the controller took it for complete: then what is
            missing are replicas, and no rollout.
        known: Failures with their beginnings, for the next look.
        first: When the first look was.
    """

    phase: Phase
    counts: Counts
    reasons: tuple[Reason, ...] = ()
    rolled_out: bool = False
    known: Mapping[tuple[str, str, Kind], Failure] = field(default_factory=dict)
    first: Mapping[tuple[str, str, Kind], datetime] = field(default_factory=dict)

    @property
    def progress(self) -> str:
        """One line: what is done, and what is waited for."""
        waits = "; ".join(f"{reason.subject}: {reason.fact}" for reason in self.reasons)
        return f"{self.counts}; waiting for {waits}" if waits else str(self.counts)


def judge(look: Look, floor: int, allowed: Limits, before: Rollout | None = None) -> Rollout:
    """Judge a rollout.

    Args:
        look: The Deployment and its pods now.
        floor: The autoscaler's minimum of replicas.
        allowed: Time limits by kind of failure.
        before: The previous verdict.
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
    # Causes in pods come first: what the controller reports is mostly their consequence.
    reasons = [*grouped(lasting, look.at), *_of_controller(look, replicas, floor, allowed)]
    if reasons:
        # With failures that have not lasted as long: all are reported at once.
        subjects = {found.subject for found in reasons}
        others = [
            each
            for each in grouped(known, look.at)
            if each.subject not in subjects and not (lasting and each.kind == Kind.UNREADY)
        ]
        return Rollout(Phase.STUCK, counts, (*reasons, *others), rolled_out, by_key, first)
    return Rollout(Phase.PROGRESSING, counts, tuple(grouped(known, look.at)), rolled_out, by_key, first)


def new_replica_set(look: Look) -> Object | None:
    """The ReplicaSet of the Deployment's template; None before there is any, as while the rollout is paused."""
    owner, wanted = look.deployment["metadata"].get("uid"), _template(look.deployment)
    owned = [each for each in look.replica_sets if _owned_by(each, owner) and _template(each) == wanted]
    return max(owned, key=_revision, default=None)


def grouped(found: Sequence[Failure], now: datetime) -> list[Reason]:
    """Failures, each distinct one once with its pods."""
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
    """Whether a failure has lasted longer than what of its kind may."""
    if failure.kind is Kind.UNREADY or now - first < allowed.confirm:
        return False
    if failure.reason == "InvalidImageName":
        return True
    return now - failure.since >= (allowed.placement if failure.kind is Kind.PLACEMENT else allowed.grace)


def _of_controller(look: Look, replicas: int, floor: int, allowed: Limits) -> Iterator[Reason]:
    """What the Deployment itself says."""
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
    """The template of pods without the label that tells ReplicaSets apart, as the controller compares them."""
    template = thing["spec"].get("template") or {}
    meta = template.get("metadata") or {}
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != TEMPLATE_HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def _by_revision(look: Look) -> tuple[list[Object], list[Object]]:
    """Pods of the Deployment's template, and all others."""
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
