"""Addons: pinned Helm releases that inference needs, in addition to EKS add-ons.

Each release is installed atomically; a failed one is installed again by the next update. Nothing is installed in an
existing cluster, because its owner provides these add-ons.
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
from dr.supply.mirror import Mirror

TIMEOUT_SECONDS = 900
"""Time for a release to become ready, in seconds, pulling its images included (Helm's default is 300)."""
HISTORY = 5


@dataclass(frozen=True)
class AddonsArgs:
    """Arguments of `Addons`.

    Args:
        access: Access to the cluster.
        cluster: Properties of the cluster that charts need.
        pool: Node pool of Karpenter; None without Karpenter.
        namespaces: Namespaces by name; charts in one of them depend on it.
        mirror: The region's registry, of which charts and images are used; None: those of their publishers.

    Raises:
        ValueError: Karpenter is enabled without a node pool, or the reverse.
    """

    access: ClusterAccess
    cluster: Cluster
    pool: NodePoolSpec | None = None
    namespaces: Mapping[str, pulumi.Resource] = field(default_factory=dict)
    mirror: Mirror | None = None

    def __post_init__(self) -> None:
        if self.cluster.karpenter != (self.pool is not None):
            raise ValueError("Karpenter and its node pool require each other; set both or neither")


class HelmRelease(pulumi.CustomResource):
    """A Helm release. As for objects, the SDK's class would only add the import of all kinds."""

    def __init__(
        self, name: str, chart: Chart, values: Values, archive: str | None, opts: pulumi.ResourceOptions
    ) -> None:
        remote = not (archive or chart.is_oci)
        super().__init__(
            "kubernetes:helm.sh/v3:Release",
            name,
            {
                "name": chart.name,
                "namespace": chart.namespace,
                "createNamespace": chart.own_namespace,
                "chart": archive or (chart.repository if chart.is_oci else chart.name),
                "version": chart.version,
                "repositoryOpts": {"repo": chart.repository} if remote else None,
                # Absent if empty, because a release that is read back has no empty values.
                **({"values": values} if values else {}),
                "atomic": True,
                "timeout": TIMEOUT_SECONDS,
                "maxHistory": HISTORY,
            },
            opts,
        )


class Addons(pulumi.ComponentResource):
    """Helm releases and, with Karpenter, its node class and node pool.

    Attributes:
        releases: Releases by the chart's name; objects of a chart's custom resource definitions depend on its release.
    """

    releases: Mapping[str, pulumi.Resource]

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Addons", name, None, opts)
        releases: dict[str, pulumi.Resource] = {}
        for chart, values in addons_spec.installed(args.cluster).items():
            after = [releases[needed.name] for needed in NEEDS.get(chart, ())]
            if (namespace := args.namespaces.get(chart.namespace)) is not None:
                after.append(namespace)
            options = args.access.options(self, *after)
            archive = args.mirror.archive(chart) if args.mirror else None
            supplied = args.mirror.values(chart, values) if args.mirror else values
            releases[chart.name] = HelmRelease(f"{name}-{chart.name}", chart, supplied, archive, options)
        if args.pool is not None:
            karpenter = releases[NODE_MAKER.name]
            # Karpenter's instances outlive the cluster. Deleting the pool terminates them, and the finalizer of the
            # class waits for that, while Karpenter still runs.
            node = args.access.place(
                self, f"{name}-node-class", node_pool_spec.node_class(args.pool), karpenter, outlives=True
            )
            pool = node_pool_spec.node_pool(args.pool)
            args.access.place(self, f"{name}-node-pool", pool, karpenter, node, outlives=True)
        self.releases = releases
        self.register_outputs({"releases": list(releases)})
