"""GpuInferenceCluster: a region's EKS cluster with system and GPU nodes, as much of it as the tier runs.

Roles and launch templates exist in every tier. From pilot light up the control plane, add-ons, access and node groups
do; the tier then only sets the size of the GPU group. A cluster that somebody else made can be named: then its control
plane, add-ons, access and system nodes stay theirs.

The control plane's API is private unless blocks are named that may call it. EKS writes nodes' and pods' group itself;
the load balancer's is let in here.

Costs, us-east-1 list prices a month: control plane $73 (EKS pricing page), two m6i.large $140, a g5.2xlarge $885; a
reserved GPU node costs the same whether it runs or not (EC2 user guide, "Capacity Reservation pricing and billing").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import pulumi
from pulumi_aws import cloudwatch, ec2, eks, vpc

from components.compute.cluster_iam import NETWORK_PLUGIN, VOLUMES, PodRole, pod_roles
from components.compute.cluster_roles import ClusterRoles, ClusterRolesArgs, DataBucket
from components.compute.node_groups import GPU_IMAGE, GPU_TAINT, PLAIN_IMAGE, NodeGroup, NodeGroupArgs
from components.traffic.inference_endpoint import SERVING_PORT
from dr.preflight.existing_cluster import ExistingCluster
from dr.topology.capacity import Capacity

KUBERNETES_VERSION = "1.35"
"""In standard support (EKS user guide, "Understand the Kubernetes version lifecycle")."""
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
LOG_DAYS = 90
ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
ADDONS: Mapping[str, PodRole | None] = {
    "vpc-cni": NETWORK_PLUGIN,
    "kube-proxy": None,
    "eks-pod-identity-agent": None,
    "coredns": None,
    "aws-ebs-csi-driver": VOLUMES,
    "metrics-server": None,
    "snapshot-controller": None,
}
"""Add-ons with the role of their pods. EKS picks the version that suits the cluster's, and keeps it."""
ON_NODES = ("coredns", "aws-ebs-csi-driver", "metrics-server", "snapshot-controller")
"""Deployments: they are healthy only where there are nodes to run on."""
ADDON_SETTINGS: Mapping[str, Mapping[str, str]] = {"vpc-cni": {"enableNetworkPolicy": "true"}}
"""Without it network policies are stored and enforced by nobody (EKS user guide, "Limit Pod traffic with Kubernetes
network policies")."""
SYSTEM_TYPES, SYSTEM_NODES, SYSTEM_DISK_GIB = ("m6i.large", "m7i.large"), (2, 2, 6), 50
"""Two, since one zone may be lost, and room for what a failover adds."""


def reservation_name(cluster: str) -> str:
    """The tag `Name` of capacity that is reserved for a cluster."""
    return f"{cluster} GPU nodes"


@dataclass(frozen=True)
class GpuInferenceClusterArgs:
    """Arguments of `GpuInferenceCluster`.

    Args:
        name: The cluster's name.
        account: The AWS account's twelve digits.
        region: The region.
        zones: Its availability zones.
        private_subnet_ids: A private subnet in each zone, in that order.
        key_arn: ARN of the key that secrets are encrypted with.
        running: Whether the tier runs a cluster.
        capacity: Replicas and GPU nodes.
        gpu_types: Instance types of GPU nodes in order of preference.
        gpu_disk_gib: Root volume of a GPU node: images and models.
        data: The region's buckets by pair.
        target_group_arn: Where pods are registered.
        topic_arn: The region's topic, encrypted with the same key as secrets: alerts of the cluster go to it.
        clients_group_id: The load balancer's security group.
        gpu_nodes: GPU nodes to deploy with, where an autoscaler raised them above the capacity's; None is its floor.
        reserved_nodes: GPU nodes whose capacity is reserved, spread over the zones.
        api_cidrs: Blocks that may call the API over the internet; none keeps it inside the VPC.
        operator_roles: ARNs of roles that administer the cluster.
        karpenter: Whether Karpenter makes GPU nodes beyond the floor, and not the autoscaler.
        existing: A cluster to use instead of making one.
        tags: Tags of everything.
    """

    name: str
    account: str
    region: str
    zones: Sequence[str]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    key_arn: pulumi.Input[str]
    running: bool
    capacity: Capacity
    gpu_types: Sequence[str]
    gpu_disk_gib: int
    data: Mapping[str, DataBucket]
    target_group_arn: pulumi.Input[str]
    topic_arn: str
    clients_group_id: pulumi.Input[str]
    gpu_nodes: int | None = None
    reserved_nodes: int = 0
    api_cidrs: Sequence[str] = ()
    operator_roles: Sequence[str] = ()
    karpenter: bool = False
    existing: ExistingCluster | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.running and self.existing is None and len(self.zones) < 2:
            raise ValueError(f"cluster {self.name} in the zones {list(self.zones)}: EKS needs two; name another")


class GpuInferenceCluster(pulumi.ComponentResource):
    """A cluster, or what of it there is without one.

    Attributes:
        cluster_name: The cluster's name; None where none runs.
        endpoint: Its API; None where none runs.
        arn: Its ARN; None where none runs.
        ca_data: PEM of its certificate authority, in base64; None where none runs.
        made: The cluster, where it is made here.
        gpu_group: Name of the GPU nodes' Auto Scaling group; None where none runs.
        security_group_id: EKS's own group of control plane, nodes and pods; None where none runs.
        node_profile: Name of the instance profile of nodes that Karpenter makes; None without it.
        ready: What has to be there before anything is put inside: add-ons, with the nodes they run on, and pods' roles.
            Not GPU nodes: replicas have to be told to go before the nodes under them do.
    """

    cluster_name: pulumi.Output[str] | None = None
    endpoint: pulumi.Output[str] | None = None
    arn: pulumi.Output[str] | None = None
    ca_data: pulumi.Output[str] | None = None
    made: eks.Cluster | None = None
    gpu_group: pulumi.Output[str] | None = None
    security_group_id: pulumi.Output[str] | None = None
    node_profile: pulumi.Output[str] | None = None

    def __init__(self, name: str, args: GpuInferenceClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:GpuInferenceCluster", name, None, opts)
        self._name, self._args = name, args
        self.ready: list[pulumi.Resource] = []
        self._roles = ClusterRoles(
            f"{name}-roles",
            ClusterRolesArgs(
                cluster=args.existing.name if args.existing else args.name,
                account=args.account,
                region=args.region,
                data=args.data,
                target_group_arn=args.target_group_arn,
                topic_arn=args.topic_arn,
                topic_key_arn=args.key_arn,
                karpenter=args.karpenter,
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self._reserve()
        self.node_profile = self._roles.node_profile.name if self._roles.node_profile else None
        self.security_group_id = group_id = self._cluster()
        system: list[pulumi.Resource] = []
        if not args.existing:
            system = [self._nodes("system", SYSTEM_TYPES, PLAIN_IMAGE, SYSTEM_NODES, SYSTEM_DISK_GIB)]
        least, most = args.capacity.nodes, args.capacity.max_nodes
        now = least if args.gpu_nodes is None else args.gpu_nodes
        gpu = self._nodes("gpu", args.gpu_types, GPU_IMAGE, (least, now, most), args.gpu_disk_gib, gpu=True)
        self.gpu_group = gpu.scaling_group
        if self.cluster_name is not None and group_id is not None:
            self._inside(self.cluster_name, group_id, system)
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "endpoint": self.endpoint,
                "arn": self.arn,
                "ca_data": self.ca_data,
                "gpu_group": self.gpu_group,
            }
        )

    @property
    def record(self) -> pulumi.Output[dict[str, str] | None]:
        """Name, endpoint and certificate, as the contract has them; None where none runs."""
        if self.cluster_name is None:
            return pulumi.Output.from_input(None)
        return pulumi.Output.all(name=self.cluster_name, endpoint=self.endpoint, ca_data=self.ca_data)

    def _opts(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(after))

    def _reserve(self) -> None:
        """Whatever of that type is started in the zone takes it: nodes have to know nothing of it."""
        args = self._args
        taken = list(islice(cycle(args.zones), args.reserved_nodes))
        for zone in args.zones:
            if count := taken.count(zone):
                ec2.CapacityReservation(
                    f"{self._name}-reserved-{zone[-1]}",
                    instance_type=args.gpu_types[0],
                    instance_platform="Linux/UNIX",
                    availability_zone=zone,
                    instance_count=count,
                    instance_match_criteria="open",
                    region=args.region,
                    tags={**args.tags, "Name": reservation_name(args.name)},
                    opts=self._opts(),
                )

    def _cluster(self) -> pulumi.Output[str] | None:
        """Make the control plane, or take the one that is named; its security group."""
        args = self._args
        if args.existing:
            if args.running:
                self.cluster_name = pulumi.Output.from_input(args.existing.name)
                self.endpoint = pulumi.Output.from_input(args.existing.endpoint)
                self.arn = pulumi.Output.from_input(args.existing.arn)
                self.ca_data = pulumi.Output.from_input(args.existing.ca_data)
            return pulumi.Output.from_input(args.existing.security_group_id)
        # Before the cluster, which would otherwise make it itself, to be kept for ever.
        logs = cloudwatch.LogGroup(
            f"{self._name}-logs",
            name=f"/aws/eks/{args.name}/cluster",
            retention_in_days=LOG_DAYS,
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts(),
        )
        if not args.running:
            return None
        cluster = eks.Cluster(
            self._name,
            name=args.name,
            role_arn=self._roles.cluster_arn,
            version=KUBERNETES_VERSION,
            enabled_cluster_log_types=list(LOG_TYPES),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=args.key_arn), resources=["secrets"]
            ),
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=args.private_subnet_ids,
                endpoint_private_access=True,
                endpoint_public_access=bool(args.api_cidrs),
                public_access_cidrs=list(args.api_cidrs) or None,
            ),
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            # Not extended support, which costs six times as much: a version that ends is upgraded.
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts(logs, *self._roles.policies),
        )
        self.cluster_name, self.endpoint, self.arn, self.made = cluster.name, cluster.endpoint, cluster.arn, cluster
        self.ca_data = cluster.certificate_authority.apply(lambda authority: str(authority.data))
        return cluster.vpc_config.apply(lambda network: str(network.cluster_security_group_id))

    def _nodes(
        self,
        pool: str,
        types: Sequence[str],
        image: str,
        sizes: tuple[int, int, int],
        disk_gib: int,
        gpu: bool = False,
    ) -> NodeGroup:
        args = self._args
        return NodeGroup(
            f"{self._name}-{pool}",
            NodeGroupArgs(
                pool=pool,
                cluster=self.cluster_name,
                region=args.region,
                role_arn=self._roles.node_arn,
                subnet_ids=args.private_subnet_ids,
                instance_types=types,
                image=image,
                sizes=sizes,
                disk_gib=disk_gib,
                taints=(GPU_TAINT,) if gpu else (),
                tags=args.tags,
            ),
            self._opts(*self._roles.policies),
        )

    def _inside(self, cluster: pulumi.Output[str], group_id: pulumi.Output[str], nodes: list[pulumi.Resource]) -> None:
        """What a running cluster has: the load balancer's way in, pods' roles, add-ons and who may call it."""
        args = self._args
        vpc.SecurityGroupIngressRule(
            f"{self._name}-from-load-balancer",
            security_group_id=group_id,
            referenced_security_group_id=args.clients_group_id,
            description="inference and its health checks",
            ip_protocol="tcp",
            from_port=SERVING_PORT,
            to_port=SERVING_PORT,
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts(),
        )
        of_addons = [] if args.existing else [role for role in ADDONS.values() if role]
        for pod in pod_roles(args.karpenter):
            if pod not in of_addons:
                role = eks.PodIdentityAssociation(
                    f"{self._name}-{pod.name}",
                    cluster_name=cluster,
                    namespace=pod.namespace,
                    service_account=pod.service_account,
                    role_arn=self._roles.pod_arns[pod.name],
                    region=args.region,
                    tags=dict(args.tags),
                    opts=self._opts(),
                )
                self.ready.append(role)
        if not args.existing:
            self._addons(cluster, nodes)
            for arn in args.operator_roles:
                self._operator(cluster, arn)

    def _addons(self, cluster: pulumi.Output[str], nodes: list[pulumi.Resource]) -> None:
        for addon, pod in ADDONS.items():
            made = eks.Addon(
                f"{self._name}-{addon}",
                cluster_name=cluster,
                addon_name=addon,
                pod_identity_associations=[
                    eks.AddonPodIdentityAssociationArgs(
                        service_account=pod.service_account, role_arn=self._roles.pod_arns[pod.name]
                    )
                ]
                if pod
                else None,
                configuration_values=json.dumps(ADDON_SETTINGS[addon]) if addon in ADDON_SETTINGS else None,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="OVERWRITE",
                region=self._args.region,
                tags=dict(self._args.tags),
                opts=self._opts(*(nodes if addon in ON_NODES else ())),
            )
            self.ready.append(made)

    def _operator(self, cluster: pulumi.Output[str], arn: str) -> None:
        name = f"{self._name}-operator-{arn.rpartition('/')[2]}"
        entry = eks.AccessEntry(
            name,
            cluster_name=cluster,
            principal_arn=arn,
            region=self._args.region,
            tags=dict(self._args.tags),
            opts=self._opts(),
        )
        eks.AccessPolicyAssociation(
            f"{name}-admin",
            cluster_name=cluster,
            principal_arn=entry.principal_arn,
            policy_arn=ADMIN_POLICY,
            access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            region=self._args.region,
            opts=self._opts(),
        )
