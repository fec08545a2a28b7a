"""Parts of a worker fleet: purchase options, volume and replacement of its instances."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_aws import autoscaling, ec2

GRACE_SECONDS = 120
"""Seconds after its launch during which an instance is not replaced: its operating system starts."""
HEALTHY_PERCENT = 66
"""Least share of a fleet that stays in service while its instances are replaced: two of three."""
REPLACED_PERCENT = 100
"""Largest size during a replacement: an instance ends before the next one starts, so that no quota is exceeded."""
IDLE_PERCENT, IDLE_PERIODS = 25, 10
"""CPU below which a fleet loses an instance, after 20 minutes: a pause between two pieces of work keeps it."""
GROW, SHRINK = 1, -1
"""Instances by which an alarm changes the size."""


def purchase_options(
    template: ec2.LaunchTemplate, instance_types: Sequence[str], on_demand: int
) -> autoscaling.GroupMixedInstancesPolicyArgs:
    """Return the policy of a group: On-Demand instances first, then Spot instances, of several types.

    `price-capacity-optimized` takes Spot pools with the most capacity, and of those the cheapest (Auto Scaling user
    guide, "Allocation strategies for multiple instance types": recommended for most workloads).

    Args:
        template: The launch template.
        instance_types: Instance types in order of preference.
        on_demand: Instances that are On-Demand.
    """
    return autoscaling.GroupMixedInstancesPolicyArgs(
        instances_distribution=autoscaling.GroupMixedInstancesPolicyInstancesDistributionArgs(
            on_demand_allocation_strategy="prioritized",
            on_demand_base_capacity=on_demand,
            on_demand_percentage_above_base_capacity=0,
            spot_allocation_strategy="price-capacity-optimized",
        ),
        launch_template=autoscaling.GroupMixedInstancesPolicyLaunchTemplateArgs(
            launch_template_specification=autoscaling.GroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecificationArgs(
                # A number and not `$Latest`, so that a new version replaces the instances.
                launch_template_id=template.id,
                version=template.latest_version.apply(str),
            ),
            overrides=[
                autoscaling.GroupMixedInstancesPolicyLaunchTemplateOverrideArgs(instance_type=each)
                for each in instance_types
            ],
        ),
    )


def replacement() -> autoscaling.GroupInstanceRefreshArgs:
    """Return how a new version of the launch template replaces the instances: one after the other."""
    return autoscaling.GroupInstanceRefreshArgs(
        strategy="Rolling",
        preferences=autoscaling.GroupInstanceRefreshPreferencesArgs(
            min_healthy_percentage=HEALTHY_PERCENT,
            max_healthy_percentage=REPLACED_PERCENT,
            instance_warmup=str(GRACE_SECONDS),
            # A change of sizes or purchase options alone replaces no instance.
            skip_matching=True,
        ),
    )


def root_volume(device: str, size: int, key_arn: pulumi.Input[str]) -> ec2.LaunchTemplateBlockDeviceMappingArgs:
    """Return the mapping of an encrypted root volume.

    Args:
        device: Its device name in the image.
        size: Its size in GiB.
        key_arn: ARN of the KMS key.
    """
    return ec2.LaunchTemplateBlockDeviceMappingArgs(
        device_name=device,
        ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            encrypted="true",
            kms_key_id=key_arn,
            volume_type="gp3",
            volume_size=size,
            delete_on_termination="true",
        ),
    )
