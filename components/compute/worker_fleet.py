"""WorkerFleet: instances outside the cluster, as an Auto Scaling group over the zones of a region.

It exists in every tier, with sizes of 0 where the tier runs no workers: role, launch template and group cost nothing,
and a failover only raises the sizes. Image, sizes and purchase options change in place. A new image makes a version of
the launch template, and Auto Scaling replaces the instances one after the other.

Instances have no public address, no key pair and no stored credentials: the Systems Manager agent of the image opens
sessions, and their role reads the region's datasets and writes results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import autoscaling, cloudwatch, ec2, iam, vpc

from components.compute.cluster_iam import AWS_POLICIES, process_datasets
from components.compute.runner import HTTPS
from components.compute.worker_group import (
    GRACE_SECONDS,
    GROW,
    IDLE_PERCENT,
    IDLE_PERIODS,
    SHRINK,
    purchase_options,
    replacement,
    root_volume,
)
from components.iam import EncryptedBucket, trust_service
from components.monitoring.alarm_rules import BELOW, CPU_SECONDS, DESIRED, IN_SERVICE, NOT_BREACHING
from dr.topology.workers import Fleet, Sizes, group_name

SESSIONS = "AmazonSSMManagedInstanceCore"
"""Policy of AWS for instances of Systems Manager (its user guide, "Configure instance permissions required for Systems
Manager")."""


@dataclass(frozen=True)
class WorkerFleetArgs:
    """Arguments of `WorkerFleet`.

    Args:
        prefix: Name of the deployment: "ml-dr".
        fleet: The fleet.
        region: The region.
        vpc_id: ID of the VPC.
        private_subnet_ids: Private subnets, one in each zone.
        image_id: ID of the machine image in this region.
        sizes: Minimum and maximum size.
        on_demand: Instances that are On-Demand; those beyond are Spot.
        key_arn: ARN of the KMS key that encrypts volumes and datasets.
        datasets: Name of the region's bucket of datasets.
        tags: Tags of every resource, including instances and volumes.
    """

    prefix: str
    fleet: Fleet
    region: str
    vpc_id: pulumi.Input[str]
    private_subnet_ids: Sequence[pulumi.Input[str]]
    image_id: pulumi.Input[str]
    sizes: Sizes
    on_demand: int
    key_arn: pulumi.Input[str]
    datasets: str
    tags: Mapping[str, str] = field(default_factory=dict)


class WorkerFleet(pulumi.ComponentResource):
    """An Auto Scaling group with its launch template, role, security group and scaling policies.

    Attributes:
        group: Name of the Auto Scaling group.
        role_arn: ARN of the instances' role, which a deployment passes to EC2.
        grow_arn: ARN of the scaling policy that adds an instance.
    """

    group: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    grow_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WorkerFleetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:WorkerFleet", name, None, opts)
        self._name, self._args, self._own = name, args, pulumi.ResourceOptions(parent=self)
        role, policies = self._role()
        profile = iam.InstanceProfile(f"{name}-profile", role=role.name, tags=dict(args.tags), opts=self._own)
        template = self._template(profile, self._security_group())
        group = autoscaling.Group(
            f"{name}-group",
            name=group_name(args.prefix, args.fleet.name),
            min_size=args.sizes.least,
            max_size=args.sizes.most,
            # No desired size: Auto Scaling keeps it between both sizes, and an update does not reset it.
            vpc_zone_identifiers=args.private_subnet_ids,
            mixed_instances_policy=purchase_options(template, args.fleet.instance_types, args.on_demand),
            health_check_type="EC2",
            health_check_grace_period=GRACE_SECONDS,
            capacity_rebalance=True,
            enabled_metrics=[autoscaling.Metric(each) for each in (DESIRED, IN_SERVICE)],
            instance_refresh=replacement(),
            # An update in an incident must not wait for capacity; `dr check` compares the size with what runs.
            wait_for_capacity_timeout="0",
            tags=[
                autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=False)
                for key, value in sorted(args.tags.items())
            ],
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, depends_on=policies),
        )
        self.group, self.role_arn = group.name, role.arn
        self.grow_arn = self._scaling(group, "grow", GROW).arn
        self._scale_in(group)
        self.register_outputs({"group": self.group})

    def _role(self) -> tuple[iam.Role, list[pulumi.Resource]]:
        """Create the instances' role with its policies."""
        name, args = self._name, self._args
        role = iam.Role(
            f"{name}-role",
            assume_role_policy=trust_service("ec2.amazonaws.com"),
            description=f"{args.prefix}: workers {args.fleet.name} in {args.region}",
            tags=dict(args.tags),
            opts=self._own,
        )
        sessions = iam.RolePolicyAttachment(
            f"{name}-{SESSIONS}", role=role.name, policy_arn=f"{AWS_POLICIES}{SESSIONS}", opts=self._own
        )
        data = iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.from_input(args.key_arn).apply(
                lambda key: process_datasets(EncryptedBucket(args.datasets, args.region, key))
            ),
            opts=self._own,
        )
        return role, [sessions, data]

    def _security_group(self) -> ec2.SecurityGroup:
        """Create a security group without ingress; AWS APIs are called over HTTPS."""
        name, args = self._name, self._args
        group = ec2.SecurityGroup(
            f"{name}-security-group",
            name=group_name(args.prefix, args.fleet.name),
            description="workers: call AWS APIs, and accept no connection",
            vpc_id=args.vpc_id,
            region=args.region,
            tags=dict(args.tags),
            opts=self._own,
        )
        vpc.SecurityGroupEgressRule(
            f"{name}-egress",
            security_group_id=group.id,
            description="AWS APIs",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            cidr_ipv4="0.0.0.0/0",
            region=args.region,
            tags=dict(args.tags),
            opts=self._own,
        )
        return group

    def _template(self, profile: iam.InstanceProfile, group: ec2.SecurityGroup) -> ec2.LaunchTemplate:
        name, args = self._name, self._args
        tags = {**args.tags, "Name": f"{args.prefix} workers {args.fleet.name}"}
        return ec2.LaunchTemplate(
            f"{name}-template",
            description=f"workers {args.fleet.name}",
            image_id=args.image_id,
            instance_type=args.fleet.instance_types[0],
            iam_instance_profile=ec2.LaunchTemplateIamInstanceProfileArgs(arn=profile.arn),
            network_interfaces=[
                ec2.LaunchTemplateNetworkInterfaceArgs(
                    device_index=0, associate_public_ip_address="false", security_groups=[group.id]
                )
            ],
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[root_volume(args.fleet.root_device, args.fleet.disk_gib, args.key_arn)],
            # The alarm on CPU has periods of 120 s; without detailed monitoring, EC2 publishes every 5 minutes.
            monitoring=ec2.LaunchTemplateMonitoringArgs(enabled=True),
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags) for kind in ("instance", "volume")
            ],
            update_default_version=True,
            region=args.region,
            tags=dict(args.tags),
            opts=self._own,
        )

    def _scale_in(self, group: autoscaling.Group) -> None:
        """Create the alarm that removes an instance of an idle fleet, down to its minimum.

        An idle fleet at its minimum keeps the alarm in ALARM, which is normal operation. So its name does not begin
        like those of the alarms that `dr status` counts, and it notifies no one.
        """
        name, args = self._name, self._args
        cloudwatch.MetricAlarm(
            f"{name}-idle",
            name=f"scale-in-{group_name(args.prefix, args.fleet.name)}",
            alarm_description=f"removes an instance of the workers {args.fleet.name}, down to the minimum size",
            namespace="AWS/EC2",
            metric_name="CPUUtilization",
            dimensions={"AutoScalingGroupName": group.name},
            statistic="Average",
            period=CPU_SECONDS,
            evaluation_periods=IDLE_PERIODS,
            threshold=IDLE_PERCENT,
            comparison_operator=BELOW,
            treat_missing_data=NOT_BREACHING,
            alarm_actions=[self._scaling(group, "shrink", SHRINK).arn],
            region=args.region,
            tags=dict(args.tags),
            opts=self._own,
        )

    def _scaling(self, group: autoscaling.Group, action: str, by: int) -> autoscaling.Policy:
        """Create a policy that an alarm on CPU runs."""
        bound = {"metric_interval_lower_bound": "0"} if by > 0 else {"metric_interval_upper_bound": "0"}
        return autoscaling.Policy(
            f"{self._name}-{action}",
            name=f"{group_name(self._args.prefix, self._args.fleet.name)}-{action}",
            autoscaling_group_name=group.name,
            adjustment_type="ChangeInCapacity",
            policy_type="StepScaling",
            estimated_instance_warmup=GRACE_SECONDS,
            step_adjustments=[autoscaling.PolicyStepAdjustmentArgs(scaling_adjustment=by, **bound)],
            region=self._args.region,
            opts=self._own,
        )
