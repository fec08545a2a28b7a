"""Kubernetes objects as manifests, so that tests validate what is applied against Kubernetes' schemas.

The SDK's class of a kind would only add the import of all kinds, which takes two thirds of a second in every preview;
type and inputs are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

Manifest = Mapping[str, Any]
"""An object in the form that `kubectl apply` accepts; values may be Outputs."""
MANAGER = {"pulumi.com/patchFieldManager": "ml-dr"}
"""Field manager of this project's fields (Pulumi Kubernetes, "Server-Side Apply"). By default, Pulumi generates one for
each object and stores it only in the state, so an interrupted update could not be continued."""


def token(manifest: Manifest) -> str:
    """Return Pulumi's type token of a kind: "kubernetes:apps/v1:Deployment"."""
    version = str(manifest["apiVersion"])
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"


class KubernetesObject(pulumi.CustomResource):
    """A Kubernetes object, named by its manifest: other objects could not refer to a name that Pulumi generates.

    Raises:
        ValueError: The manifest has no name.
    """

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        metadata = manifest.get("metadata", {})
        if not metadata.get("name"):
            raise ValueError(f"{name}: the {manifest['kind']} has no metadata.name; set it")
        metadata = {**metadata, "annotations": {**MANAGER, **metadata.get("annotations", {})}}
        super().__init__(token(manifest), name, {**manifest, "metadata": metadata}, opts)
