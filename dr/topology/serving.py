"""Serving: the model set, the images and the mesh. Pure."""

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
"""Key that sets the image, by container."""


class ImageDigests(StrEnum):
    """How an image without a digest is treated."""

    WARN = "warn"
    """Each preview warns about it."""
    REQUIRE = "require"
    """The deployment is refused."""


@dataclass(frozen=True)
class Serving:
    """What serves inference.

    Args:
        model_set: Name of the model set; a region serves the newest version that it holds completely.
        inference_image: MLServer, with what the model's runtime needs.
        tools_image: Python 3.11 or later with boto3: runs this project's own code in pods.
        mesh: Whether Istio's rules are made: by zone, between callers and replicas inside a cluster.
        shared_mesh: Whether both regions' clusters are one mesh, so that callers fail over to the other region.
        rollout_grace_seconds: Seconds for which a replica may fail to start before its rollout has failed.
    """

    model_set: str = "digits"
    inference_image: str = "docker.io/seldonio/mlserver:1.7.1"
    tools_image: str = "public.ecr.aws/lambda/python:3.13"
    mesh: bool = True
    shared_mesh: bool = False
    rollout_grace_seconds: int = ROLLOUT_GRACE_SECONDS

    @property
    def images(self) -> Mapping[str, str]:
        """Image references, by the key that sets them."""
        return {IMAGE_KEYS[SERVER]: self.inference_image, IMAGE_KEYS[FETCHER]: self.tools_image}
