"""Every resource type, by token."""

from __future__ import annotations

from sandbox.aws.resources import backup, cloudwatch, ec2, ec2_access, iam, kms, logs, route53, s3, s3_settings
from sandbox.aws.resources.model import ResourceType

CATALOG: dict[str, ResourceType] = {
    kind.token: kind
    for service in (s3, s3_settings, kms, iam, route53, cloudwatch, ec2, ec2_access, logs, backup)
    for kind in service.TYPES
}
