"""ClusterAccess: the way into a region's cluster, and how everything that is in it is made and goes with it.

The provider's identity is the cluster's ARN: another endpoint or certificate updates it in place, where without it
Pulumi would take a changed kubeconfig for another cluster and make every object anew. What is inside goes with the
cluster, so that tier `backup` does not wait for finalizers whose controllers have no node left to run on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.provider import Provider

from components.kubernetes.objects import KubernetesObject, Manifest
from dr.clusters.api_client import ClusterAddress
from dr.clusters.kubeconfig import kubeconfig


@dataclass(frozen=True)
class ClusterAccessArgs:
    """Arguments of `ClusterAccess`.

    Args:
        cluster_name: The cluster's name: whom tokens are for.
        region: Its region.
        arn: Its ARN.
        endpoint: Its API.
        ca_data: PEM of its certificate authority, in base64.
        cluster: The cluster, if it is made here: with it everything inside goes.
        ready: What has to be there before anything is put inside.
    """

    cluster_name: pulumi.Input[str]
    region: str
    arn: pulumi.Input[str]
    endpoint: pulumi.Input[str]
    ca_data: pulumi.Input[str]
    cluster: pulumi.Resource | None
    ready: Sequence[pulumi.Resource]


class ClusterAccess(pulumi.ComponentResource):
    """A provider, and the options of whatever it makes.

    Attributes:
        provider: The provider.
        address: Where the cluster's API is.
    """

    provider: Provider
    address: pulumi.Output[ClusterAddress]

    def __init__(self, name: str, args: ClusterAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:ClusterAccess", name, None, opts)
        self._args = args
        config = pulumi.Output.all(args.cluster_name, args.endpoint, args.ca_data).apply(
            lambda known: kubeconfig(known[0], args.region, known[1], known[2])
        )
        self.address = pulumi.Output.all(args.cluster_name, args.endpoint, args.ca_data).apply(
            lambda known: ClusterAddress(known[0], args.region, known[1], known[2])
        )
        self.provider = Provider(
            f"{name}-provider",
            kubeconfig=pulumi.Output.json_dumps(config),
            cluster_identifier=args.arn,
            enable_server_side_apply=True,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=args.cluster),
        )
        self.register_outputs({})

    def options(self, parent: pulumi.Resource, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of an object in this cluster, or of a Helm release.

        Args:
            parent: The component it belongs to.
            after: What it waits for, besides the cluster being ready.
        """
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=[*self._args.ready, *after],
            deleted_with=self._args.cluster,
        )

    def place(
        self, parent: pulumi.Resource, name: str, manifest: Manifest, *after: pulumi.Resource
    ) -> KubernetesObject:
        """Make an object in this cluster; arguments as of `options`."""
        return KubernetesObject(name, manifest, self.options(parent, *after))
