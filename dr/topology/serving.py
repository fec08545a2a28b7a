"""What serves: the model set, the programs that answer with it, and the mesh between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NAMESPACE, SERVICE = "ml-serving", "inference-service"
"""Namespace of inference; name of Deployment, Service and autoscaler (docs/requirements.md, "Inference workload")."""

ROLLOUT_GRACE_SECONDS = 180
"""How long a replica may fail to start. The kubelet tries an image again after 10, 20, 40 and 80 s (Kubernetes
documentation, "Images", "ImagePullBackOff"), and a crashed container likewise: five attempts are over by then."""

SERVER, FETCHER = "server", "fetch-models"
"""Containers of a replica: the model server, and the init container that copies models."""
IMAGE_KEYS = {SERVER: "dr:inferenceImage", FETCHER: "dr:toolsImage"}
"""Container to the key that sets its image."""


class ImageDigests(StrEnum):
    """What happens to an image that is named without its digest."""

    WARN = "warn"
    """It is told at every preview."""
    REQUIRE = "require"
    """It is refused."""


@dataclass(frozen=True)
class Serving:
    """What serves.

    Args:
        model_set: Name of the set that is served, the newest version a region holds whole.
        inference_image: MLServer, with what the model's runtime needs.
        tools_image: Python 3.11 or later with boto3: runs this project's own code in pods.
        mesh: Whether Istio's rules are made: by zone, between callers and replicas inside a cluster.
        shared_mesh: Whether both regions' clusters are one mesh, so that callers fail over to the other region.
        rollout_grace_seconds: How long a replica may fail to start before its rollout has failed.
    """

    model_set: str = "digits"
    inference_image: str = "docker.io/seldonio/mlserver:1.7.1"
    tools_image: str = "public.ecr.aws/lambda/python:3.13"
    mesh: bool = True
    shared_mesh: bool = False
    rollout_grace_seconds: int = ROLLOUT_GRACE_SECONDS

    @property
    def images(self) -> Mapping[str, str]:
        """Images by the key that sets them."""
        return {"dr:inferenceImage": self.inference_image, "dr:toolsImage": self.tools_image}
