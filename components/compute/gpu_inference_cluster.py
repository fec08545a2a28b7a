"""GpuInferenceCluster: a region's EKS cluster with system and GPU nodes.

Roles, launch templates and the log group exist in every tier. Control plane, add-ons, access entries and node groups
exist from tier pilot light up; above it, the tier only sets the size of the GPU node group. With an existing cluster
(`existing`), its owner keeps control of control plane, add-ons, access and system nodes.

The API endpoint is private, unless CIDR blocks are allowed to call it. EKS creates the security group of control plane,
nodes and pods; this component adds ingress from the load balancer.

There is a GPU node group in each zone (docs/adr/0011-a-gpu-node-group-in-each-zone.md), and one system node group over
all zones, which replaces its nodes in another zone without an autoscaler.

Costs, us-east-1 list prices a month: control plane $73 (EKS pricing page), two m6i.large $140, a g5.2xlarge $885. A
capacity reservation costs the same whether an instance uses it or not (EC2 user guide, "Capacity Reservation pricing
and billing").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, ec2, eks, vpc

from components.compute.cluster_iam import NETWORK_PLUGIN, VOLUMES, PodRole, pod_roles
from components.compute.cluster_roles import ClusterRoles, ClusterRolesArgs, DataBucket, LoginSecret
from components.compute.node_groups import (
    GPU_IMAGE,
    GPU_TAINT,
    PLAIN_IMAGE,
    REMOVE_FIRST,
    REPLACE_FIRST,
    NodeGroups,
    NodeGroupsArgs,
    Placement,
)
from components.traffic.inference_endpoint import SERVING_PORT
from dr.clusters.versions import TABLE, Versions
from dr.preflight.existing_cluster import ExistingCluster
from dr.preflight.running_nodes import DesiredNodes
from dr.topology.capacity import SYSTEM_DISK_GIB, SYSTEM_NODES, SYSTEM_TYPES, Capacity

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
"""Add-ons, with the role of their pods. Their versions are in dr/clusters/versions.py."""
ON_NODES = ("coredns", "aws-ebs-csi-driver", "metrics-server", "snapshot-controller")
"""Add-ons that run as Deployments: they become active only when there are nodes to run on."""
ADDON_SETTINGS: Mapping[str, Mapping[str, str]] = {"vpc-cni": {"enableNetworkPolicy": "true"}}
"""Without this setting, network policies are stored and not enforced (EKS user guide, "Limit Pod traffic with
Kubernetes network policies")."""


def reservation_name(cluster: str) -> str:
    """Return the tag `Name` of the capacity reservations for a cluster."""
    return f"{cluster} GPU nodes"


@dataclass(frozen=True)
class GpuInferenceClusterArgs:
    """Arguments of `GpuInferenceCluster`.

    Args:
        name: The cluster's name.
        account: The AWS account's twelve digits.
        region: The region.
        zones: Availability zones; at least two.
        control_plane_subnet_ids: The private subnets of the control plane; EKS keeps the set of their zones.
        private_subnet_ids: The private subnets of system nodes.
        zone_subnets: ID of the private subnet of each zone, for its GPU nodes.
        key_arn: ARN of the KMS key that encrypts Kubernetes secrets and the logs of the control plane.
        running: Whether the tier runs a cluster.
        capacity: Numbers of replicas and GPU nodes.
        gpu_types: Instance types of GPU nodes, in order of preference.
        gpu_disk_gib: Root volume of a GPU node in GiB; it stores images and models.
        data: The region's buckets by name of their pair.
        target_group_arn: ARN of the target group in which pods are registered.
        topic_arns: ARNs of the region's SNS topics for alerts, which are encrypted with `key_arn`.
        load_balancer_group_id: ID of the load balancer's security group.
        nodes: Desired sizes of the node groups, which an autoscaler may have raised above the floors.
        reserved_zones: The zone of each GPU node with a capacity reservation.
        api_cidrs: CIDR blocks allowed to call the API endpoint over the internet; empty keeps it private.
        operator_roles: ARNs of IAM roles with administrator access to the cluster.
        karpenter: Whether Karpenter adds GPU nodes above the floor, instead of the Cluster Autoscaler.
        registry_login: The secret that the MLflow server reads; None: the cluster has no MLflow server.
        existing: An existing cluster to use; None creates one.
        versions: Versions of the cluster, its nodes and its add-ons. Nodes of an existing cluster get its own version.
        protect: Whether EKS refuses to delete the cluster.
        tags: Tags of every resource that accepts tags.

    Raises:
        ValueError: A new cluster has fewer than two zones.
    """

    name: str
    account: str
    region: str
    zones: Sequence[str]
    control_plane_subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    zone_subnets: Mapping[str, pulumi.Input[str]]
    key_arn: pulumi.Input[str]
    running: bool
    capacity: Capacity
    gpu_types: Sequence[str]
    gpu_disk_gib: int
    data: Mapping[str, DataBucket]
    target_group_arn: pulumi.Input[str]
    topic_arns: Sequence[str]
    load_balancer_group_id: pulumi.Input[str]
    nodes: DesiredNodes
    reserved_zones: Sequence[str] = ()
    api_cidrs: Sequence[str] = ()
    operator_roles: Sequence[str] = ()
    karpenter: bool = False
    registry_login: LoginSecret | None = None
    existing: ExistingCluster | None = None
    versions: Versions = TABLE
    protect: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.running and self.existing is None and len(self.zones) < 2:
            raise ValueError(f"cluster {self.name} has the zones {list(self.zones)}: EKS needs two; add a zone")


class GpuInferenceCluster(pulumi.ComponentResource):
    """An EKS cluster with add-ons, access entries, Pod Identity associations, node groups and capacity reservations.

    Without a cluster (`running` is false) there are only roles, launch templates, the log group and the reservations.

    Attributes:
        cluster_name: The cluster's name; None without a cluster.
        endpoint: URL of its API endpoint; None without a cluster.
        arn: Its ARN; None without a cluster.
        ca_data: Its CA certificate, PEM in base64; None without a cluster.
        cluster: The cluster resource; None unless this component creates it.
        kubernetes_version: Version of Kubernetes: "1.35".
        gpu_groups: Names of the Auto Scaling groups of GPU nodes by their zone's letter; empty without a cluster.
        security_group_id: ID of the security group that EKS created for control plane, nodes and pods; None without a
            cluster.
        node_profile: Name of the instance profile of Karpenter's nodes; None without Karpenter.
        ready: Resources that Kubernetes objects depend on: add-ons, with the nodes they run on, and the pods' role
            associations. GPU nodes are not among them: on a decrease, replicas must be removed before their nodes.
    """

    cluster_name: pulumi.Output[str] | None = None
    endpoint: pulumi.Output[str] | None = None
    arn: pulumi.Output[str] | None = None
    ca_data: pulumi.Output[str] | None = None
    cluster: eks.Cluster | None = None
    gpu_groups: Mapping[str, pulumi.Output[str]]
    security_group_id: pulumi.Output[str] | None = None
    node_profile: pulumi.Output[str] | None = None

    def __init__(self, name: str, args: GpuInferenceClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:GpuInferenceCluster", name, None, opts)
        self._name, self._args = name, args
        self.kubernetes_version = args.versions.kubernetes
        self.ready: list[pulumi.Resource] = []
        self._roles = ClusterRoles(
            f"{name}-roles",
            ClusterRolesArgs(
                cluster=args.existing.name if args.existing else args.name,
                account=args.account,
                region=args.region,
                data=args.data,
                target_group_arn=args.target_group_arn,
                topic_arns=args.topic_arns,
                topic_key_arn=args.key_arn,
                karpenter=args.karpenter,
                registry_login=args.registry_login,
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self._reserve()
        self.node_profile = self._roles.node_profile.name if self._roles.node_profile else None
        self.security_group_id = group_id = self._cluster()
        system: list[pulumi.Resource] = []
        if not args.existing:
            least, _, most = SYSTEM_NODES
            group = Placement(args.private_subnet_ids, (least, args.nodes.system, most))
            system = [self._nodes("system", SYSTEM_TYPES, PLAIN_IMAGE, {"": group}, SYSTEM_DISK_GIB)]
        groups = {
            zone[-1]: Placement(
                [args.zone_subnets[zone]], (floor, args.nodes.gpu.get(zone, floor), args.capacity.max_zone_nodes)
            )
            for zone, floor in zip(args.zones, args.capacity.zone_nodes, strict=True)
        }
        gpu = self._nodes("gpu", args.gpu_types, GPU_IMAGE, groups, args.gpu_disk_gib, gpu=True)
        self.gpu_groups = gpu.scaling_groups
        if self.cluster_name is not None and group_id is not None:
            self._configure(self.cluster_name, group_id, system)
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "endpoint": self.endpoint,
                "arn": self.arn,
                "ca_data": self.ca_data,
                "gpu_groups": self.gpu_groups,
            }
        )

    @property
    def passed_roles(self) -> list[pulumi.Output[str]]:
        """ARNs of the roles that a deployment passes to EKS and EC2."""
        return [self._roles.cluster_arn, self._roles.node_arn, *self._roles.pod_arns.values()]

    @property
    def record(self) -> pulumi.Output[dict[str, str] | None]:
        """Name, endpoint and CA certificate, as the contract records them; None without a cluster."""
        if self.cluster_name is None:
            return pulumi.Output.from_input(None)
        return pulumi.Output.all(name=self.cluster_name, endpoint=self.endpoint, ca_data=self.ca_data)

    def _opts(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(after))

    def _reserve(self) -> None:
        """Create open reservations: instances of that type in that zone use them without naming them."""
        args = self._args
        for zone in args.zones:
            if count := args.reserved_zones.count(zone):
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
        """Create the control plane, or use the existing one; return the ID of its security group."""
        args = self._args
        if args.existing:
            if args.running:
                self.cluster_name = pulumi.Output.from_input(args.existing.name)
                self.endpoint = pulumi.Output.from_input(args.existing.endpoint)
                self.arn = pulumi.Output.from_input(args.existing.arn)
                self.ca_data = pulumi.Output.from_input(args.existing.ca_data)
            return pulumi.Output.from_input(args.existing.security_group_id)
        # Created before the cluster: otherwise EKS creates it, without an end of retention.
        logs = cloudwatch.LogGroup(
            f"{self._name}-logs",
            name=f"/aws/eks/{args.name}/cluster",
            retention_in_days=LOG_DAYS,
            kms_key_id=args.key_arn,
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
            version=args.versions.kubernetes,
            deletion_protection=args.protect,
            enabled_cluster_log_types=list(LOG_TYPES),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=args.key_arn), resources=["secrets"]
            ),
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=args.control_plane_subnet_ids,
                endpoint_private_access=True,
                endpoint_public_access=bool(args.api_cidrs),
                public_access_cidrs=list(args.api_cidrs) or None,
            ),
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            # Extended support costs six times as much, so EKS upgrades a version at its end of standard support.
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts(logs, *self._roles.policies),
        )
        self.cluster_name, self.endpoint, self.arn, self.cluster = cluster.name, cluster.endpoint, cluster.arn, cluster
        self.ca_data = cluster.certificate_authority.apply(lambda authority: str(authority.data))
        return cluster.vpc_config.apply(lambda network: str(network.cluster_security_group_id))

    def _nodes(
        self,
        pool: str,
        types: Sequence[str],
        image: str,
        groups: Mapping[str, Placement],
        disk_gib: int,
        gpu: bool = False,
    ) -> NodeGroups:
        args = self._args
        return NodeGroups(
            f"{self._name}-{pool}",
            NodeGroupsArgs(
                pool=pool,
                cluster=self.cluster_name,
                region=args.region,
                role_arn=self._roles.node_arn,
                groups=groups,
                instance_types=types,
                image=image,
                disk_gib=disk_gib,
                strategy=REMOVE_FIRST if gpu else REPLACE_FIRST,
                version=None if args.existing else args.versions.node_version,
                release=None if args.existing else args.versions.node_release,
                taints=(GPU_TAINT,) if gpu else (),
                tags=args.tags,
            ),
            self._opts(*self._roles.policies),
        )

    def _configure(
        self, cluster: pulumi.Output[str], group_id: pulumi.Output[str], nodes: list[pulumi.Resource]
    ) -> None:
        """Add ingress from the load balancer, roles of pods, add-ons and operators' access to a running cluster."""
        args = self._args
        vpc.SecurityGroupIngressRule(
            f"{self._name}-from-load-balancer",
            security_group_id=group_id,
            referenced_security_group_id=args.load_balancer_group_id,
            description="inference requests and health checks from the load balancer",
            ip_protocol="tcp",
            from_port=SERVING_PORT,
            to_port=SERVING_PORT,
            region=args.region,
            tags=dict(args.tags),
            opts=self._opts(),
        )
        addon_roles = [] if args.existing else [role for role in ADDONS.values() if role]
        for pod in pod_roles(args.karpenter, args.registry_login is not None):
            for namespace in () if pod in addon_roles else pod.namespaces:
                role = eks.PodIdentityAssociation(
                    f"{self._name}-{pod.name}" + (f"-{namespace}" if namespace in pod.further else ""),
                    cluster_name=cluster,
                    namespace=namespace,
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
            resource = eks.Addon(
                f"{self._name}-{addon}",
                cluster_name=cluster,
                addon_name=addon,
                addon_version=self._args.versions.addons[addon],
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
            self.ready.append(resource)

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
