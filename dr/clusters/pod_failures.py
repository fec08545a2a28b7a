"""Reasons why pods do not start, with the messages of the scheduler, the kubelet and the containers. Pure.

Most failures seldom resolve without a change: an image that cannot be pulled, a container that cannot be created, a
container in a crash loop, a pod that cannot be scheduled. A pod that starts slowly is `UNREADY`, which resolves
without a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

Object = Mapping[str, Any]


class Kind(StrEnum):
    """Kinds of failures, by what needs a change."""

    IMAGE = "image"
    """The image reference or the registry."""
    CONFIGURATION = "configuration"
    """An object that the container refers to, or its command."""
    CRASH = "crash"
    """The container's program or its memory."""
    PLACEMENT = "placement"
    """Node, GPU or zone capacity."""
    UNREADY = "unready"
    """No error in the pod's status: it is starting, or its probes or readiness gates have not succeeded yet."""


IMAGE_REASONS = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("RegistryUnavailable", "SignatureValidationFailed"),
    }
)
CONFIGURATION_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"}
)
"""Reasons of a waiting container (kubernetes, pkg/kubelet/images/types.go, kuberuntime/kuberuntime_container.go)."""
CRASH_LOOP = "CrashLoopBackOff"
LEAST_RESTARTS = 1
"""Restarts from which a crash loop is a failure; a container that crashed once may succeed at its second start."""
LONGEST_MESSAGE = 600


@dataclass(frozen=True)
class Failure:
    """Reason why one pod does not start.

    Args:
        kind: Kind of the failure.
        pod: Name of the pod.
        uid: UID of the pod.
        container: Name of the container; "" for the pod as a whole.
        image: Image of the container.
        reason: Kubernetes reason: "ErrImagePull".
        message: Message of the kubelet, the scheduler or the container.
        since: Earliest possible start of the failure: when the pod was scheduled, or when scheduling first failed.
        attempts: Number of times the container was started.
    """

    kind: Kind
    pod: str
    uid: str
    container: str
    image: str
    reason: str
    message: str
    since: datetime
    attempts: int = 0

    @property
    def key(self) -> tuple[str, str, Kind]:
        """Identity of the failure; it does not change while the reason alternates (ErrImagePull, ImagePullBackOff)."""
        return self.uid, self.container, self.kind


def failures(pods: Sequence[Object]) -> list[Failure]:
    """Return the failures of pods that are not being deleted."""
    return [each for pod in pods if not pod["metadata"].get("deletionTimestamp") for each in _of_pod(pod)]


def remembered(before: Mapping[tuple[str, str, Kind], Failure], found: Sequence[Failure]) -> list[Failure]:
    """Return failures with the earlier start and the longer message of the previous observation.

    Args:
        before: Failures of the previous observation, by key.
        found: Failures of the current observation.
    """
    return [_with_earlier(each, before[each.key]) if each.key in before else each for each in found]


def _with_earlier(now: Failure, before: Failure) -> Failure:
    fuller = before if now.kind is Kind.IMAGE and len(before.message) > len(now.message) else now
    return replace(now, since=min(before.since, now.since), reason=fuller.reason, message=fuller.message)


def ready(thing: Object) -> bool:
    """Return whether the Ready condition of a pod or a node is true."""
    return _condition(thing, "Ready").get("status") == "True"


def _of_pod(pod: Object) -> list[Failure]:
    scheduled = _condition(pod, "PodScheduled")
    since = str(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    if scheduled.get("status") == "False":
        reason, message = str(scheduled.get("reason", "")), str(scheduled.get("message", ""))
        return [_failure(pod, Kind.PLACEMENT, "", reason, message, since)]
    found = [each for container in _containers(pod) if (each := _of_container(pod, container, since))]
    return found if found or ready(pod) else [_failure(pod, Kind.UNREADY, "", "not ready", _awaited(pod), since)]


def _of_container(pod: Object, container: Object, since: str) -> Failure | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    name, restarts = str(container["name"]), int(container.get("restartCount", 0))
    if reason in IMAGE_REASONS:
        return _failure(pod, Kind.IMAGE, name, reason, message, since)
    if reason in CONFIGURATION_REASONS:
        return _failure(pod, Kind.CONFIGURATION, name, reason, message, since)
    if reason == CRASH_LOOP and restarts >= LEAST_RESTARTS:
        made = _failure(pod, Kind.CRASH, name, *_ended(container, message), since)
        return replace(made, attempts=restarts + 1)
    return None


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _awaited(pod: Object) -> str:
    """Return what a starting pod waits for: a container, a readiness gate or its probes."""
    for container in _containers(pod):
        state = container.get("state") or {}
        if not container.get("ready") and (state.get("terminated") or {}).get("exitCode") != 0:
            reason = (state.get("waiting") or {}).get("reason") or ", ".join(state) or "not started"
            return f"container {container['name']}: {reason}"
    gates = [str(each["conditionType"]) for each in (pod.get("spec") or {}).get("readinessGates") or ()]
    shut = [gate for gate in gates if _condition(pod, gate).get("status") != "True"]
    return f"readiness gate {', '.join(shut)}" if shut else "its probes"


def _ended(container: Object, message: str) -> tuple[str, str]:
    """Return how a container last terminated, OOMKilled or an exit code, and its termination message."""
    last = (container.get("lastState") or {}).get("terminated") or {}
    if not last:
        return CRASH_LOOP, message
    reason = str(last.get("reason", ""))
    how = reason if reason not in ("", "Error") else f"exit code {last.get('exitCode', 'unknown')}"
    return how, str(last.get("message", ""))


def _failure(pod: Object, kind: Kind, container: str, reason: str, message: str, since: str) -> Failure:
    meta, spec = pod["metadata"], pod.get("spec") or {}
    images = {
        str(each["name"]): str(each.get("image", ""))
        for each in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    }
    return Failure(
        kind=kind,
        pod=str(meta["name"]),
        uid=str(meta.get("uid", meta["name"])),
        container=container,
        image=images.get(container, ""),
        reason=reason,
        message=_short(message),
        since=datetime.fromisoformat(since),
    )


def _short(message: str) -> str:
    """Return the end of a long message: both the kubelet and a traceback name the cause last."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST_MESSAGE else f"... {text[-LONGEST_MESSAGE:]}"


def _condition(thing: Object, kind: str) -> Object:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})
