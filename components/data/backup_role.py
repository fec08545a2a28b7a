"""The IAM role of jobs of AWS Backup, with policies that AWS manages."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_aws import iam

from components.iam import trust_service


def backup_role(
    name: str, description: str, policies: Mapping[str, str], tags: Mapping[str, str], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Create the role, and return its ARN once the policies are attached.

    AWS refuses a selection while its role lacks permission to find tagged resources.

    Args:
        name: Name of the resource.
        description: Purpose of the role.
        policies: ARNs of the policies, by a short name.
        tags: Tags of the role.
        parent: The component that owns it.
    """
    opts = pulumi.ResourceOptions(parent=parent)
    role = iam.Role(
        name,
        assume_role_policy=trust_service("backup.amazonaws.com"),
        description=description,
        tags=dict(tags),
        opts=opts,
    )
    attached = [
        iam.RolePolicyAttachment(f"{name}-{policy}", role=role.name, policy_arn=arn, opts=opts)
        for policy, arn in policies.items()
    ]
    return pulumi.Output.all(role.arn, *(each.id for each in attached)).apply(lambda known: str(known[0]))
