"""A complete rollout as the API server reports it; tests change one field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dr.clusters.rollouts import Look

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
IMAGE, TOOLS = "registry.example.com/mlserver:2", "registry.example.com/tools:1"
FLOOR = 6


def ago(seconds: float) -> str:
    """Return a past time in the API server's format."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def deployment(**status: Any) -> dict[str, Any]:
    """Return a Deployment with a complete rollout; keywords replace fields of its status."""
    return {
        "metadata": {"name": "inference-service", "uid": "deployment", "generation": 2},
        "spec": {
            "replicas": FLOOR,
            "progressDeadlineSeconds": 1453,
            "selector": {"matchLabels": {"app": "inference"}},
            "template": template(2),
        },
        "status": {
            "observedGeneration": 2,
            "replicas": FLOOR,
            "updatedReplicas": FLOOR,
            "readyReplicas": FLOOR,
            "availableReplicas": FLOOR,
            "conditions": [condition("Progressing", "True", "NewReplicaSetAvailable")],
            **status,
        },
    }


def condition(kind: str, status: str, reason: str, message: str = "", seconds: float = 3600) -> dict[str, Any]:
    """Return a condition with its age in seconds."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(seconds),
    }


def replica_set(revision: int) -> dict[str, Any]:
    """Return a ReplicaSet of the Deployment."""
    return {
        "metadata": {
            "name": f"inference-service-{revision}",
            "uid": f"revision-{revision}",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "deployment"}],
        },
        "spec": {"template": template(revision, {"pod-template-hash": f"hash-{revision}"})},
    }


def template(revision: int, more: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the pod template of a revision."""
    return {
        "metadata": {"labels": {"app": "inference", **(more or {})}},
        "spec": {"containers": [{"name": "server", "image": f"registry.example.com/mlserver:{revision}"}]},
    }


def pod(number: int, revision: int = 2, scheduled: float = 600, **changes: Any) -> dict[str, Any]:
    """Return a ready pod; keywords replace fields of its status."""
    name = f"inference-service-{revision}-{number}"
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": ago(scheduled),
            "ownerReferences": [{"uid": f"revision-{revision}"}],
        },
        "spec": {
            "initContainers": [{"name": "fetch-models", "image": TOOLS}],
            "containers": [{"name": "server", "image": IMAGE}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                condition("PodScheduled", "True", "", seconds=scheduled),
                condition("Ready", "True", "", seconds=scheduled),
            ],
            "initContainerStatuses": [container("fetch-models", ready=True, terminated={"exitCode": 0})],
            "containerStatuses": [container("server", ready=True, running={"startedAt": ago(scheduled)})],
            **changes,
        },
    }


def starting(number: int, scheduled: float = 600, **state: Any) -> dict[str, Any]:
    """Return a pod of the new revision with a state of its server: waiting, running or terminated."""
    restarts, last = state.pop("restarts", 0), state.pop("last", {})
    conditions = [
        condition("PodScheduled", "True", "", seconds=scheduled),
        condition("Ready", "False", "ContainersNotReady", seconds=scheduled),
    ]
    server = {**container("server", **state), "restartCount": restarts, "lastState": last}
    return pod(number, scheduled=scheduled, phase="Pending", conditions=conditions, containerStatuses=[server])


def unscheduled(
    number: int, seconds: float, message: str = "0/8 nodes are available: 8 Insufficient nvidia.com/gpu."
) -> Any:
    """Return an unschedulable pod."""
    condition_ = condition("PodScheduled", "False", "Unschedulable", message, seconds)
    return pod(number, phase="Pending", conditions=[condition_], initContainerStatuses=[], containerStatuses=[])


def container(name: str, ready: bool = False, **state: Any) -> dict[str, Any]:
    """Return a container's status."""
    return {"name": name, "ready": ready, "restartCount": 0, "state": state}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """Return the state of a waiting container."""
    return {"waiting": {"reason": reason, "message": message}}


def rolling(*pods: Any, updated: int = 1, available: int = FLOOR - 1, after: float = 0, **status: Any) -> Look:
    """Return a rollout in progress: pods of the new revision, and five ready ones of the previous revision.

    Args:
        pods: Pods of the new revision.
        updated: What the Deployment counts of them.
        available: Available pods of both.
        after: Seconds after `NOW`.
        status: Replaces fields of the Deployment's status.
    """
    conditions = [condition("Progressing", "True", "ReplicaSetUpdated")]
    counted = {"updatedReplicas": updated, "availableReplicas": available, "conditions": conditions, **status}
    old = [pod(number, revision=1) for number in range(FLOOR - 1)]
    return Look(NOW + timedelta(seconds=after), deployment(**counted), [replica_set(1), replica_set(2)], [*pods, *old])
