"""Every resource type, by token."""

from __future__ import annotations

from sandbox.aws.resources import cloudwatch, iam, kms, route53, s3, s3_settings
from sandbox.aws.resources.model import ResourceType

CATALOG: dict[str, ResourceType] = {
    kind.token: kind for service in (s3, s3_settings, kms, iam, route53, cloudwatch) for kind in service.TYPES
}
