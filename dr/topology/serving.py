"""Serving: the model set, the images and the mesh. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

NAMESPACE, SERVICE = "ml-serving", "inference-service"
"""Namespace of inference; name of Deployment, Service and autoscaler (docs/requirements.md, "Inference workload")."""

ROLLOUT_GRACE_SECONDS = 180
"""How long a replica may fail to start. The kubelet tries an image again after 10, 20, 40 and 80 s (Kubernetes
documentation, "Images", "ImagePullBackOff"), and a crashed container likewise: five attempts are over by then."""

SERVER, FETCHER, PROXY = "server", "fetch-models", "proxy"
"""Containers of a replica: the model server, the init container that copies models, and the proxy in front."""
IMAGE_KEYS = {SERVER: "dr:inferenceImage", FETCHER: "dr:toolsImage", PROXY: "dr:proxyImage"}
"""Key that sets the image, by container."""


class AuthenticationMode(StrEnum):
    """How clients of the inference endpoint authenticate."""

    NONE = "none"
    """Not at all: whoever can connect may call."""
    JWT = "jwt"
    """With a JSON Web Token in the header Authorization (RFC 6750, RFC 7519)."""


@dataclass(frozen=True)
class Authentication:
    """What a client's token must be.

    Args:
        mode: Whether clients send tokens.
        issuer: Required claim `iss`.
        audiences: Accepted values of the claim `aud`; one of them is required.
        keys: Public keys of the issuer, a JSON Web Key Set (RFC 7517). They are stored in the cluster, so that tokens
            are checked while the issuer does not answer.
    """

    mode: AuthenticationMode = AuthenticationMode.NONE
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    keys: str = ""


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
        proxy_image: Envoy, which forwards what clients may call.
        model: Name of the model that decides on the health of a replica; empty: the name of the model set.
        authentication: How clients authenticate.
        request_mib: Largest request body in MiB.
        answer_seconds: Seconds after which clients give up, so that a later prediction is a failure.
        mesh: Whether Istio's rules are made: by zone, between callers and replicas inside a cluster.
        shared_mesh: Whether both regions' clusters are one mesh, so that callers fail over to the other region.
        rollout_grace_seconds: Seconds for which a replica may fail to start before its rollout has failed.
    """

    model_set: str = "digits"
    inference_image: str = "docker.io/seldonio/mlserver:1.7.1"
    tools_image: str = "public.ecr.aws/lambda/python:3.13"
    proxy_image: str = "docker.io/envoyproxy/envoy:distroless-v1.40.0"
    model: str = ""
    authentication: Authentication = Authentication()
    request_mib: int = 16
    answer_seconds: int = 2
    mesh: bool = True
    shared_mesh: bool = False
    rollout_grace_seconds: int = ROLLOUT_GRACE_SECONDS

    @property
    def images(self) -> Mapping[str, str]:
        """Image references, by the key that sets them."""
        images = {SERVER: self.inference_image, FETCHER: self.tools_image, PROXY: self.proxy_image}
        return {IMAGE_KEYS[container]: image for container, image in images.items()}

    def with_images(self, change: Callable[[str], str]) -> Serving:
        """Return the same with each image reference changed."""
        return replace(
            self,
            inference_image=change(self.inference_image),
            tools_image=change(self.tools_image),
            proxy_image=change(self.proxy_image),
        )

    @property
    def ready_path(self) -> str:
        """Path that is 200 while the model is loaded; `/v2/health/ready` stays 200 without any model."""
        return f"/v2/models/{self.model or self.model_set}/ready"
