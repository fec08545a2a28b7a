"""Namespaces: the namespaces of a cluster with quotas, limits and network policies, and the priority classes."""

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
        access: Access to the cluster.
        version: Kubernetes version of the Pod Security Standards: "1.35".
        specs: Specifications of the namespaces.
    """

    access: ClusterAccess
    version: str
    specs: Sequence[NamespaceSpec]


class Namespaces(pulumi.ComponentResource):
    """Namespaces with their contents, and priority classes.

    Attributes:
        namespaces: Namespaces by name; objects in one depend on it.
        ready: All resources; workloads depend on them, so that limits apply before they run.
    """

    namespaces: Mapping[str, KubernetesObject]
    ready: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Namespaces", name, None, opts)
        access, namespaces, contents = args.access, {}, []
        for spec in args.specs:
            namespace = access.place(self, f"{name}-{spec.name}", namespace_spec.namespace(spec, args.version))
            namespaces[spec.name] = namespace
            for kind, manifest in namespace_spec.contents(spec).items():
                contents.append(access.place(self, f"{name}-{spec.name}-{kind}", manifest, namespace))
        classes = [access.place(self, f"{name}-{each}", it) for each, it in namespace_spec.priorities().items()]
        self.namespaces, self.ready = namespaces, [*namespaces.values(), *contents, *classes]
        self.register_outputs({})
