"""Addons: what a cluster needs beside EKS's own add-ons before inference can run in it: Helm releases, pinned.

Each is installed whole or not at all, and again from where it was the next time. A cluster that somebody else made has
its own; nothing is installed in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.kubernetes import addons_spec, node_pool_spec
from components.kubernetes.addons_spec import NEEDS, Cluster, Values
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.node_pool_spec import NodePoolSpec
from dr.clusters.charts import NODE_MAKER, Chart

TIMEOUT_SECONDS = 900
"""For a release to be ready, its images' way here included (Helm's own default is 300)."""
HISTORY = 5


@dataclass(frozen=True)
class AddonsArgs:
    """Arguments of `Addons`.

    Args:
        access: The cluster.
        cluster: What charts have to know of it.
        pool: What Karpenter makes; None without it.
        namespaces: Namespaces that are made beside, by name: charts that go there wait for them.
    """

    access: ClusterAccess
    cluster: Cluster
    pool: NodePoolSpec | None = None
    namespaces: Mapping[str, pulumi.Resource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cluster.karpenter != (self.pool is not None):
            raise ValueError("Karpenter and what it makes go together; give both or neither")


class HelmRelease(pulumi.CustomResource):
    """A release. As with objects, the SDK's class adds nothing but the import of all kinds."""

    def __init__(self, name: str, chart: Chart, values: Values, opts: pulumi.ResourceOptions) -> None:
        super().__init__(
            "kubernetes:helm.sh/v3:Release",
            name,
            {
                "name": chart.name,
                "namespace": chart.namespace,
                "createNamespace": chart.own_namespace,
                "chart": chart.repository if chart.is_oci else chart.name,
                "version": chart.version,
                "repositoryOpts": None if chart.is_oci else {"repo": chart.repository},
                # Left out where there are none: a release that is read back has none, either.
                **({"values": values} if values else {}),
                "atomic": True,
                "timeout": TIMEOUT_SECONDS,
                "maxHistory": HISTORY,
            },
            opts,
        )


class Addons(pulumi.ComponentResource):
    """The releases.

    Attributes:
        releases: By the chart's name: what uses its definitions depends on it.
    """

    releases: Mapping[str, pulumi.Resource]

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Addons", name, None, opts)
        made: dict[str, pulumi.Resource] = {}
        for chart, values in addons_spec.installed(args.cluster).items():
            after = [made[needed.name] for needed in NEEDS.get(chart, ())]
            if (space := args.namespaces.get(chart.namespace)) is not None:
                after.append(space)
            made[chart.name] = HelmRelease(f"{name}-{chart.name}", chart, values, args.access.options(self, *after))
        if args.pool is not None:
            maker = made[NODE_MAKER.name]
            node = args.access.place(self, f"{name}-node-class", node_pool_spec.node_class(args.pool), maker)
            args.access.place(self, f"{name}-node-pool", node_pool_spec.node_pool(args.pool), maker, node)
        self.releases = made
        self.register_outputs({"releases": list(made)})
