"""NodeGroups: the managed node groups of a pool, with their launch template.

The Cluster Autoscaler knows one zone for each group, so a pool that it must grow in a certain zone has a group in each
zone (Cluster Autoscaler, AWS README, "Common Notes and Gotchas").

Sizes and the version of the template change in place. The properties that replace a group (subnets, types, image) are
the same in every tier. Pulumi generates the group's name, so that a replacement is created before the old group is
deleted. Several instance types are an order of preference: EKS uses the next type if one has no capacity (EKS user
guide, "Managed node group capacity types", On-Demand: "prioritized").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, eks

GPU_IMAGE, PLAIN_IMAGE = "AL2023_x86_64_NVIDIA", "AL2023_x86_64_STANDARD"
"""AMI types of EKS; the GPU image includes the NVIDIA driver and container toolkit."""
GPU_TAINT_KEY = "nvidia.com/gpu"
GPU_TAINT = eks.NodeGroupTaintArgs(key=GPU_TAINT_KEY, value="present", effect="NO_SCHEDULE")
"""Keeps pods without a GPU request off GPU nodes. NVIDIA's charts tolerate this key."""
IMAGES_WITHOUT_PLUGIN = (GPU_IMAGE,)
"""AMI types that need NVIDIA's device plugin to advertise GPUs; Bottlerocket images include it (EKS user guide,
"Install Kubernetes device plugin for GPUs")."""
GPU_LABELS = {"nvidia.com/gpu.present": "true", "k8s.amazonaws.com/accelerator": "nvidia"}
"""The device plugin's chart selects nodes by the first label (its values.yaml, `affinity`). By the second, the Cluster
Autoscaler knows that a new node will advertise GPUs, and does not add another node for the same pod (Cluster
Autoscaler, AWS README); its value does not matter."""
ROOT_DEVICE = "/dev/xvda"
REPLACE_FIRST, REMOVE_FIRST = "DEFAULT", "MINIMAL"
"""Update strategies of EKS: start up to two new nodes in each zone before old ones are removed, or remove an old node
first (EKS API, NodegroupUpdateConfig). Removing first needs no more GPUs than run, of which there may be none. It was
made for that: "constrained to resources or costs (for example, with hardware accelerators such as GPUs)"."""


@dataclass(frozen=True)
class Placement:
    """Subnets and sizes of one node group.

    Args:
        subnet_ids: The private subnets of its zones.
        sizes: Minimum, desired and maximum number of nodes.
    """

    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    sizes: tuple[int, int, int]


@dataclass(frozen=True)
class NodeGroupsArgs:
    """Arguments of `NodeGroups`.

    Args:
        pool: Purpose of the nodes, and the value of their label `pool`: "gpu".
        cluster: The cluster's name; None creates only the launch template.
        region: The region.
        role_arn: ARN of the nodes' role.
        groups: The node groups by suffix of their name: the zone's letter, or "" for a group of all zones.
        instance_types: Instance types in order of preference.
        image: AMI type of EKS.
        disk_gib: Root volume in GiB; it stores images and models.
        strategy: Update strategy.
        version: Version of Kubernetes; None for the cluster's.
        release: Release of the image, of that version; None for the newest.
        taints: Taints that keep other pods away.
        tags: Tags of every resource, including nodes and volumes.

    Raises:
        ValueError: Sizes are not in ascending order, or a maximum is 0.
    """

    pool: str
    cluster: pulumi.Input[str] | None
    region: str
    role_arn: pulumi.Input[str]
    groups: Mapping[str, Placement]
    instance_types: Sequence[str]
    image: str
    disk_gib: int
    strategy: str = REPLACE_FIRST
    version: str | None = None
    release: str | None = None
    taints: Sequence[eks.NodeGroupTaintArgs] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for suffix, placement in self.groups.items():
            least, desired, most = placement.sizes
            if not 0 <= least <= desired <= most or most < 1:
                raise ValueError(
                    f"node group {_named(self.pool, suffix)} has sizes minimum {least}, desired {desired}, maximum "
                    f"{most}: EKS requires 0 <= minimum <= desired <= maximum and a maximum of at least 1; change "
                    "dr:maxReplicas or the tier"
                )


def _named(name: str, suffix: str) -> str:
    return f"{name}-{suffix}" if suffix else name


def _scaling_group(resources: Sequence[eks.outputs.NodeGroupResource]) -> str:
    """Return the name of the one Auto Scaling group that EKS creates for a node group."""
    return str((resources[0].autoscaling_groups or [])[0].name)


class NodeGroups(pulumi.ComponentResource):
    """A launch template and, if there is a cluster, node groups.

    Attributes:
        scaling_groups: Names of the Auto Scaling groups by suffix; empty without a cluster.
    """

    scaling_groups: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NodeGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # The type keeps its first name: a new one would replace the launch templates of deployed stacks.
        super().__init__("dr:compute:NodeGroup", name, None, opts)
        template = self._template(name, args)
        groups: dict[str, pulumi.Output[str]] = {}
        for suffix, placement in args.groups.items() if args.cluster is not None else ():
            least, desired, most = placement.sizes
            group = eks.NodeGroup(
                _named(name, suffix),
                cluster_name=args.cluster,
                node_role_arn=args.role_arn,
                subnet_ids=placement.subnet_ids,
                instance_types=list(args.instance_types),
                ami_type=args.image,
                version=args.version,
                release_version=args.release,
                scaling_config=eks.NodeGroupScalingConfigArgs(min_size=least, desired_size=desired, max_size=most),
                launch_template=eks.NodeGroupLaunchTemplateArgs(
                    id=template.id, version=template.latest_version.apply(str)
                ),
                # One node at a time: pod disruption budgets allow no more.
                update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1, update_strategy=args.strategy),
                labels={"pool": args.pool, **(GPU_LABELS if GPU_TAINT in args.taints else {})},
                taints=list(args.taints),
                region=args.region,
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(parent=self),
            )
            groups[suffix] = group.resources.apply(_scaling_group)
        self.scaling_groups = groups
        self.register_outputs({"scaling_groups": groups})

    def _template(self, name: str, args: NodeGroupsArgs) -> ec2.LaunchTemplate:
        tags = {**args.tags, "Name": f"{args.pool} node"}
        return ec2.LaunchTemplate(
            f"{name}-template",
            description=f"{args.pool} nodes of the EKS cluster",
            # A hop limit of 1 keeps pods from the node's credentials; pods use Pod Identity.
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=ROOT_DEVICE,
                    ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        encrypted="true", volume_type="gp3", volume_size=args.disk_gib, delete_on_termination="true"
                    ),
                )
            ],
            # Detailed monitoring: alarms on two periods of 120 s need a metric every minute.
            monitoring=ec2.LaunchTemplateMonitoringArgs(enabled=True),
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags) for kind in ("instance", "volume")
            ],
            update_default_version=True,
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
