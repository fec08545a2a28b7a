"""Why pods do not start, in the words of the scheduler, the kubelet and the containers themselves. Pure.

Most failures seldom end by themselves: an image that cannot be pulled, a container that cannot be created, one that
crashes again and again, a pod that no node takes. A pod that only takes long is `UNREADY`, which ends by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

Object = Mapping[str, Any]


class Kind(StrEnum):
    """Kinds of failures, by what has to be changed."""

    IMAGE = "image"
    """The image's name, or the registry."""
    CONFIGURATION = "configuration"
    """What the container refers to, or how it is started."""
    CRASH = "crash"
    """The container's own program, or its memory."""
    PLACEMENT = "placement"
    """Nodes, GPUs or zones."""
    UNREADY = "unready"
    """Nothing, as far as the pod says: it starts, or its probes or gates do not succeed yet."""


IMAGE_REASONS = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("RegistryUnavailable", "SignatureValidationFailed"),
    }
)
CONFIGURATION_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"}
)
"""Reasons of a waiting container (kubernetes, pkg/kubelet/images/types.go and kuberuntime/kuberuntime_container.go)."""
CRASH_LOOP = "CrashLoopBackOff"
LEAST_RESTARTS = 1
"""A container that crashed once may succeed at its second attempt."""
LONGEST_MESSAGE = 600


@dataclass(frozen=True)
class Failure:
    """Why one pod does not start.

    Args:
        kind: What has to be changed.
        pod: The pod's name.
        uid: The pod's uid.
        container: The container; "" for the pod as a whole.
        image: The container's image.
        reason: Kubernetes' own name of it: "ErrImagePull".
        message: The words of the kubelet, the scheduler or the container.
        since: The earliest time of its beginning: when the pod was scheduled, or first failed to be.
        attempts: How often the container was started.
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
        """What stays the same while the reason alternates, as between ErrImagePull and ImagePullBackOff."""
        return self.uid, self.container, self.kind


def failures(pods: Sequence[Object]) -> list[Failure]:
    """The failures of pods that are not being deleted."""
    return [each for pod in pods if not pod["metadata"].get("deletionTimestamp") for each in _of_pod(pod)]


def remembered(before: Mapping[tuple[str, str, Kind], Failure], found: Sequence[Failure]) -> list[Failure]:
    """Failures with the beginning and the fuller message that an earlier look recorded.

    Args:
        before: Failures of the look before, by key.
        found: Failures now.
    """
    return [_with_earlier(each, before[each.key]) if each.key in before else each for each in found]


def _with_earlier(now: Failure, before: Failure) -> Failure:
    fuller = before if now.kind is Kind.IMAGE and len(before.message) > len(now.message) else now
    return replace(now, since=min(before.since, now.since), reason=fuller.reason, message=fuller.message)


def ready(pod: Object) -> bool:
    """Whether a pod serves."""
    return _condition(pod, "Ready").get("status") == "True"


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
    """What a pod that starts waits for: a container, or a gate that a controller opens."""
    for container in _containers(pod):
        state = container.get("state") or {}
        if not container.get("ready") and (state.get("terminated") or {}).get("exitCode") != 0:
            reason = (state.get("waiting") or {}).get("reason") or ", ".join(state) or "not started"
            return f"container {container['name']}: {reason}"
    gates = [str(each["conditionType"]) for each in (pod.get("spec") or {}).get("readinessGates") or ()]
    shut = [gate for gate in gates if _condition(pod, gate).get("status") != "True"]
    return f"readiness gate {', '.join(shut)}" if shut else "its probes"


def _ended(container: Object, message: str) -> tuple[str, str]:
    """How a container ended last: OOMKilled, or its exit code, and its last words."""
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
    """The end of a long message: the cause is named last, by the kubelet as by a traceback."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST_MESSAGE else f"... {text[-LONGEST_MESSAGE:]}"


def _condition(thing: Object, kind: str) -> Object:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})
