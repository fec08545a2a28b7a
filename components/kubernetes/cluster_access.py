"""ClusterAccess: the provider for a region's cluster, and the options of every object in it.

The provider's identity is the cluster's ARN, so a new endpoint or certificate updates it in place. Without an identity,
Pulumi takes a changed kubeconfig for another cluster and replaces every object. Objects are deleted with the cluster
(`deleted_with`), so that changing to tier `backup` does not wait for finalizers of controllers without a node. Objects
of which a controller creates something in AWS are deleted before the cluster, because that would outlive it.
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
        cluster_name: The cluster's name, for which tokens are issued.
        region: The cluster's region.
        arn: The cluster's ARN.
        endpoint: URL of its API endpoint.
        ca_data: Its CA certificate, PEM in base64.
        cluster: The cluster resource, if this stack creates it: objects are deleted with it. None otherwise.
        ready: Resources on which every object depends.
    """

    cluster_name: pulumi.Input[str]
    region: str
    arn: pulumi.Input[str]
    endpoint: pulumi.Input[str]
    ca_data: pulumi.Input[str]
    cluster: pulumi.Resource | None
    ready: Sequence[pulumi.Resource]


class ClusterAccess(pulumi.ComponentResource):
    """A Kubernetes provider.

    Attributes:
        provider: The provider.
        address: Address of the cluster's API.
    """

    provider: Provider
    address: pulumi.Output[ClusterAddress]

    def __init__(self, name: str, args: ClusterAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:ClusterAccess", name, None, opts)
        self._args = args
        config = pulumi.Output.all(args.cluster_name, args.endpoint, args.ca_data).apply(
            lambda values: kubeconfig(values[0], args.region, values[1], values[2])
        )
        self.address = pulumi.Output.all(args.cluster_name, args.endpoint, args.ca_data).apply(
            lambda values: ClusterAddress(values[0], args.region, values[1], values[2])
        )
        self.provider = Provider(
            f"{name}-provider",
            kubeconfig=pulumi.Output.json_dumps(config),
            cluster_identifier=args.arn,
            enable_server_side_apply=True,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=args.cluster),
        )
        self.register_outputs({})

    def options(
        self, parent: pulumi.Resource, *after: pulumi.Resource, outlives: bool = False
    ) -> pulumi.ResourceOptions:
        """Return the options of an object or a Helm release in this cluster.

        Args:
            parent: The component that owns it.
            after: Resources to wait for, in addition to `ready`.
            outlives: Whether something in AWS outlives the cluster unless the object is deleted first.
        """
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=[*self._args.ready, *after],
            deleted_with=None if outlives else self._args.cluster,
        )

    def place(
        self,
        parent: pulumi.Resource,
        name: str,
        manifest: Manifest,
        *after: pulumi.Resource,
        outlives: bool = False,
    ) -> KubernetesObject:
        """Create an object in this cluster; arguments as of `options`."""
        return KubernetesObject(name, manifest, self.options(parent, *after, outlives=outlives))
