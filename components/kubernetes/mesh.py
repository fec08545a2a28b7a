"""Mesh: Istio rules for calls to inference from inside the cluster (docs/requirements.md, "Mesh")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import mesh_spec
from components.kubernetes.cluster_access import ClusterAccess


@dataclass(frozen=True)
class MeshArgs:
    """Arguments of `Mesh`.

    Args:
        access: Access to the cluster.
        regions: Both regions of the project.
        shared: Whether the clusters of both regions form one mesh.
        after: Resources to wait for: the namespace, and the release with Istio's definitions.
    """

    access: ClusterAccess
    regions: Sequence[str]
    shared: bool
    after: Sequence[pulumi.Resource] = ()


class Mesh(pulumi.ComponentResource):
    """A DestinationRule and a VirtualService."""

    def __init__(self, name: str, args: MeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Mesh", name, None, opts)
        rule = mesh_spec.destination_rule(args.regions, args.shared)
        args.access.place(self, f"{name}-failover", rule, *args.after)
        args.access.place(self, f"{name}-callers", mesh_spec.virtual_service(), *args.after)
        self.register_outputs({})
