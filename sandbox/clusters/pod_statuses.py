"""Status of a pod with containers that run on this machine, in the form that a kubelet writes. Pure.

Sources: Kubernetes documentation, "Pod Lifecycle" (phases, container states, conditions, sidecar containers) and
"Init Containers".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sandbox.clusters.pod_processes import Outcome

Thing = dict[str, Any]
WAITING: Thing = {"waiting": {"reason": "PodInitializing"}}


def running(at: str) -> Thing:
    """Return the state of a container that started at a time."""
    return {"running": {"startedAt": at}}


def terminated(before: Thing, outcome: Outcome, at: str) -> Thing:
    """Return the state of a container that ended.

    Args:
        before: Its state before.
        outcome: Exit code and message.
        at: When it ended.
    """
    ended = {
        "exitCode": outcome.exit_code,
        "reason": "Error" if outcome.exit_code else "Completed",
        "startedAt": before.get("running", {}).get("startedAt", at),
        "finishedAt": at,
    }
    return {"terminated": ended | ({"message": outcome.message} if outcome.message else {})}


def is_sidecar(container: Thing) -> bool:
    """Return whether an init container keeps running."""
    return bool(container.get("restartPolicy") == "Always")


def status(pod: Thing, states: Mapping[str, Thing], unready: Collection[str], at: str) -> Thing:
    """Return the status fields of a pod with `restartPolicy: Never`.

    The lists of container statuses are complete, because a patch replaces them as a whole.

    Args:
        pod: The pod, with its current status.
        states: State of each container that is not waiting, by name.
        unready: Names of running containers that are not ready.
        at: Current time, for conditions that change.
    """
    spec = pod["spec"]
    first, main = spec.get("initContainers", ()), spec["containers"]
    initialized = all(_passed(each, states.get(each["name"], WAITING)) for each in first)
    codes = {name: state["terminated"]["exitCode"] for name, state in states.items() if "terminated" in state}
    failed = any(codes.get(each["name"]) for each in first)
    ended = all(each["name"] in codes for each in main)
    failed |= ended and any(codes.values())
    started = any(each["name"] in states for each in main)
    phase = "Failed" if failed else "Succeeded" if ended else "Running" if started else "Pending"
    ready = initialized and all(_ready(each, states, unready) for each in main)
    stopped = {"Failed": "PodFailed", "Succeeded": "PodCompleted"}
    reason = "" if ready else stopped.get(phase, "ContainersNotReady")
    wanted = (
        ("Initialized", initialized, "" if initialized else "ContainersNotInitialized"),
        ("Ready", ready, reason),
        ("ContainersReady", ready, reason),
    )
    return {
        "phase": phase,
        "conditions": [_condition(pod, kind, "True" if met else "False", why, at) for kind, met, why in wanted],
        "initContainerStatuses": [
            _container(each, states, _passed(each, states.get(each["name"], WAITING))) for each in first
        ],
        "containerStatuses": [_container(each, states, _ready(each, states, unready)) for each in main],
    }


def _passed(container: Thing, state: Thing) -> bool:
    """Return whether the init containers after this one may start."""
    if is_sidecar(container):
        return "running" in state
    return "terminated" in state and state["terminated"]["exitCode"] == 0


def _ready(container: Thing, states: Mapping[str, Thing], unready: Collection[str]) -> bool:
    name = container["name"]
    return "running" in states.get(name, WAITING) and name not in unready


def _container(container: Thing, states: Mapping[str, Thing], ready: bool) -> Thing:
    state = states.get(container["name"], WAITING)
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
    }


def _condition(pod: Thing, kind: str, value: str, reason: str, at: str) -> Thing:
    """Return a condition; its time is that of its last change."""
    held = pod.get("status", {}).get("conditions", ())
    since = next((each["lastTransitionTime"] for each in held if (each["type"], each["status"]) == (kind, value)), at)
    return {"type": kind, "status": value, "reason": reason, "lastTransitionTime": since}
