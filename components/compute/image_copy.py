"""Copies of machine images in the recovery region, which the primary stack makes of every version.

A copy has the image's ID in its logical name, so that another image makes another copy, and the former one stays: the
launch template and the instances of the recovery region use it until `pulumi up -s dr` has deployed the new one (ADR
19). Pulumi removes it from the state without deleting it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_aws import ec2

from dr.topology.workers import Fleet


def copied_image(
    prefix: str, fleet: Fleet, source_region: str, region: str, key_arn: pulumi.Input[str], tags: Mapping[str, str]
) -> pulumi.Output[str]:
    """Copy the image of a fleet and return the ID of the copy, once it is available.

    Args:
        prefix: Name of the deployment: "ml-dr".
        fleet: The fleet.
        source_region: Region of the image.
        region: Region of the copy.
        key_arn: ARN of the KMS key of that region that encrypts the copy.
        tags: Tags of the copy.
    """
    copy = ec2.AmiCopy(
        f"workers-{fleet.name}-{fleet.image}",
        description=f"{prefix}: {fleet.image} of {source_region}, for workers {fleet.name}",
        source_ami_id=fleet.image,
        source_ami_region=source_region,
        encrypted=True,
        kms_key_id=key_arn,
        region=region,
        # Tags are not copied with an image (EC2 user guide, "How Amazon EC2 AMI copy works").
        tags={**tags, "Name": f"{prefix} workers {fleet.name}"},
        opts=pulumi.ResourceOptions(retain_on_delete=True),
    )
    return copy.id
