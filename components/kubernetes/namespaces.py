"""Namespaces: what a cluster has before any workload: namespaces, what holds in each, and who goes before whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import namespace_spec
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.namespace_spec import NamespaceSpec
from components.kubernetes.objects import KubernetesObject


@dataclass(frozen=True)
class NamespacesArgs:
    """Arguments of `Namespaces`.

    Args:
        access: The cluster.
        version: The Kubernetes version whose Pod Security Standards hold: "1.35".
        specs: The namespaces.
    """

    access: ClusterAccess
    version: str
    specs: Sequence[NamespaceSpec]


class Namespaces(pulumi.ComponentResource):
    """Namespaces and priority classes.

    Attributes:
        made: The namespaces by name: what is put into one depends on it.
        ready: Everything: what a workload waits for, or it could run before it is limited.
    """

    made: Mapping[str, KubernetesObject]
    ready: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Namespaces", name, None, opts)
        access, made, inside = args.access, {}, []
        for spec in args.specs:
            made[spec.name] = access.place(self, f"{name}-{spec.name}", namespace_spec.namespace(spec, args.version))
            for what, manifest in namespace_spec.contents(spec).items():
                inside.append(access.place(self, f"{name}-{spec.name}-{what}", manifest, made[spec.name]))
        classes = [access.place(self, f"{name}-{each}", it) for each, it in namespace_spec.priorities().items()]
        self.made, self.ready = made, [*made.values(), *inside, *classes]
        self.register_outputs({})
