"""Names and labels that several modules share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dr import names
from dr.clusters import charts
from dr.topology import serving

SERVING, TRAINING, REGISTRY, VELERO = serving.NAMESPACE, names.TRAINING, names.MLFLOW, charts.VELERO
DRILL = names.DRILL
MONITORING, ISTIO = charts.MONITORING, charts.ISTIO
APP = {"app": "inference"}
"""Selector of the pods of inference (docs/requirements.md, "Inference workload")."""
OWNED = {"app.kubernetes.io/part-of": "ml-dr", "app.kubernetes.io/managed-by": "pulumi"}
INFERENCE_PRIORITY, BATCH_PRIORITY = "ml-inference", names.BATCH_PRIORITY


def fixed_config_map(name: str, namespace: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an immutable ConfigMap. A change of its data is a change of its name, so that its pods are replaced."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, namespace),
        "immutable": True,
        "data": dict(data),
    }


def service_account(name: str, namespace: str) -> dict[str, Any]:
    """Return a service account, which a Pod Identity association refers to by name. Its pods get no cluster token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(name, namespace),
        "automountServiceAccountToken": False,
    }


def metadata(name: str, namespace: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the metadata of an object of this project."""
    placement = {"namespace": namespace} if namespace else {}
    return {"name": name, **placement, "labels": dict(OWNED), **more}
