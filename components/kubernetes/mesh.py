"""Mesh: how callers inside a cluster reach inference (docs/requirements.md, "Mesh")."""

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
        access: The cluster.
        regions: The project's own regions, two.
        shared: Whether their clusters are one mesh.
        after: What it waits for: the namespace, and what brings Istio's definitions.
    """

    access: ClusterAccess
    regions: Sequence[str]
    shared: bool
    after: Sequence[pulumi.Resource] = ()


class Mesh(pulumi.ComponentResource):
    """Istio's rules."""

    def __init__(self, name: str, args: MeshArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Mesh", name, None, opts)
        rule = mesh_spec.destination_rule(args.regions, args.shared)
        args.access.place(self, f"{name}-failover", rule, *args.after)
        args.access.place(self, f"{name}-callers", mesh_spec.virtual_service(), *args.after)
        self.register_outputs({})
