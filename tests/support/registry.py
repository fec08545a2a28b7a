"""The Deployment of the MLflow server, as an API server answers."""

from __future__ import annotations

from typing import Any

from dr.topology.registry import DATABASE_HOST


def deployed(replicas: int, ready: int | None = None, host: str = "recovery.example", **status: int) -> dict[str, Any]:
    """Return the Deployment; keywords replace fields of its status."""
    count = replicas if ready is None else ready
    return {
        "metadata": {"generation": 3},
        "spec": {"replicas": replicas, "template": {"metadata": {"annotations": {DATABASE_HOST: host}}}},
        "status": {
            **{"observedGeneration": 3, "replicas": replicas, "updatedReplicas": count, "readyReplicas": count},
            **status,
        },
    }
