"""NodeGroup: managed nodes over all zones of a region, from a launch template.

Sizes and the template's version change in place; what replaces a group (subnets, types, image) is the same in every
tier. A group's name is made by Pulumi, so that its successor is there before it goes. Several instance types are the
order of preference: EKS asks for the next where one has no capacity (EKS user guide, "Managed node group capacity
types", On-Demand: "prioritized").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, eks

GPU_IMAGE, PLAIN_IMAGE = "AL2023_x86_64_NVIDIA", "AL2023_x86_64_STANDARD"
"""EKS's own images; the first has the NVIDIA driver and container toolkit."""
GPU_TAINT_KEY = "nvidia.com/gpu"
GPU_TAINT = eks.NodeGroupTaintArgs(key=GPU_TAINT_KEY, value="present", effect="NO_SCHEDULE")
"""Keeps what needs no GPU off the nodes that have one; the key is the one NVIDIA's charts tolerate."""
IMAGES_WITHOUT_PLUGIN = (GPU_IMAGE,)
"""Images whose kubelet knows of no GPU until NVIDIA's device plugin runs; Bottlerocket's have it (EKS user guide,
"Install Kubernetes device plugin for GPUs")."""
GPU_LABELS = {"nvidia.com/gpu.present": "true", "k8s.amazonaws.com/accelerator": "nvidia"}
"""By the first the device plugin's chart knows its nodes (its values.yaml, `affinity`). By the second the autoscaler
knows that a new node's GPUs are still to come, and does not make another one for the same pod (Cluster Autoscaler, AWS
README); its value does not matter."""
ROOT_DEVICE = "/dev/xvda"


@dataclass(frozen=True)
class NodeGroupArgs:
    """Arguments of `NodeGroup`.

    Args:
        pool: What its nodes are for, and their label `pool`: "gpu".
        cluster: Name of the cluster; None makes the template alone, so that only the group is left to make.
        region: The region.
        role_arn: The nodes' role.
        subnet_ids: A private subnet in each zone.
        instance_types: In order of preference.
        image: EKS's image type.
        sizes: Nodes at least, at first and at most.
        disk_gib: Root volume: images and models.
        taints: What keeps other pods away.
        tags: Tags of everything, nodes and volumes too.
    """

    pool: str
    cluster: pulumi.Input[str] | None
    region: str
    role_arn: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    instance_types: Sequence[str]
    image: str
    sizes: tuple[int, int, int]
    disk_gib: int
    taints: Sequence[eks.NodeGroupTaintArgs] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least, first, most = self.sizes
        if not 0 <= least <= first <= most or most < 1:
            raise ValueError(
                f"node group {self.pool} of {least} to {most} nodes, {first} at first: EKS takes "
                "0 <= least <= first <= most, and 1 at most or more; change dr:maxReplicas or the tier"
            )


def _scaling_group(made: Sequence[eks.outputs.NodeGroupResource]) -> str:
    """EKS makes one Auto Scaling group for a node group."""
    return str((made[0].autoscaling_groups or [])[0].name)


class NodeGroup(pulumi.ComponentResource):
    """A node group, where there is a cluster for it.

    Attributes:
        scaling_group: Name of its Auto Scaling group; None without a cluster.
    """

    scaling_group: pulumi.Output[str] | None = None

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:NodeGroup", name, None, opts)
        template = self._template(name, args)
        if args.cluster is not None:
            least, first, most = args.sizes
            group = eks.NodeGroup(
                name,
                cluster_name=args.cluster,
                node_role_arn=args.role_arn,
                subnet_ids=args.subnet_ids,
                instance_types=list(args.instance_types),
                ami_type=args.image,
                scaling_config=eks.NodeGroupScalingConfigArgs(min_size=least, desired_size=first, max_size=most),
                launch_template=eks.NodeGroupLaunchTemplateArgs(
                    id=template.id, version=template.latest_version.apply(str)
                ),
                # One node at a time, so that an update is never larger than what a disruption budget gives.
                update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
                labels={"pool": args.pool, **(GPU_LABELS if GPU_TAINT in args.taints else {})},
                taints=list(args.taints),
                region=args.region,
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.scaling_group = group.resources.apply(_scaling_group)
        self.register_outputs({"scaling_group": self.scaling_group})

    def _template(self, name: str, args: NodeGroupArgs) -> ec2.LaunchTemplate:
        named = {**args.tags, "Name": f"{args.pool} node"}
        return ec2.LaunchTemplate(
            f"{name}-template",
            description=f"{args.pool} nodes",
            # One hop: pods get credentials by Pod Identity, and none from the node.
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
            # Metrics every minute: alarms on two periods of 120 s need them.
            monitoring=ec2.LaunchTemplateMonitoringArgs(enabled=True),
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=named)
                for kind in ("instance", "volume")
            ],
            update_default_version=True,
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
