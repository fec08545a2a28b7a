"""Names that objects of several modules share. Pure."""

from __future__ import annotations

from typing import Any

from dr import names
from dr.clusters import charts
from dr.topology import serving

SERVING, TRAINING, REGISTRY, VELERO = serving.NAMESPACE, names.TRAINING, names.MLFLOW, charts.VELERO
MONITORING, ISTIO = charts.MONITORING, charts.ISTIO
APP = {"app": "inference"}
"""What selects the pods of inference (docs/requirements.md, "Inference workload")."""
OWNED = {"app.kubernetes.io/part-of": "ml-dr", "app.kubernetes.io/managed-by": "pulumi"}
INFERENCE_PRIORITY, BATCH_PRIORITY = "ml-inference", "ml-batch"


def metadata(name: str, namespace: str | None = None, **more: Any) -> dict[str, Any]:
    """Metadata of an object of ours."""
    placed = {"namespace": namespace} if namespace else {}
    return {"name": name, **placed, "labels": dict(OWNED), **more}
