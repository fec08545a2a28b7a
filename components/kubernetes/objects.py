"""Kubernetes objects as their manifests: what is tested against Kubernetes' own schemas is what is applied.

The SDK's class of a kind adds nothing to a manifest but the import of all kinds, two thirds of a second in every
preview; the type and the inputs are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

Manifest = Mapping[str, Any]
"""An object as `kubectl apply` would take it; a value may be an Output."""
MANAGER = {"pulumi.com/patchFieldManager": "ml-dr"}
"""Who holds the fields that are ours (Pulumi Kubernetes, "Server-Side Apply"). Else each object has a name made up for
it that only the state knows, and what a killed update left could not be gone on with."""


def token(manifest: Manifest) -> str:
    """The type by which Pulumi knows a kind: "kubernetes:apps/v1:Deployment"."""
    version = str(manifest["apiVersion"])
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"


class KubernetesObject(pulumi.CustomResource):
    """An object of a cluster, named by its manifest: a name made up by Pulumi is one that nobody else can refer to."""

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        metadata = manifest.get("metadata", {})
        if not metadata.get("name"):
            raise ValueError(f"{name}: a {manifest['kind']} without metadata.name; give it one")
        metadata = {**metadata, "annotations": {**MANAGER, **metadata.get("annotations", {})}}
        super().__init__(token(manifest), name, {**manifest, "metadata": metadata}, opts)
