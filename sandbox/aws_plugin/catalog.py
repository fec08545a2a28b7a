"""Every resource type, by token."""

from __future__ import annotations

from sandbox.aws_plugin.model import ResourceType
from sandbox.aws_plugin.types import (
    acm,
    autoscaling,
    backup,
    backup_air_gapped,
    backup_testing,
    cloudwatch,
    codebuild,
    ec2,
    ec2_access,
    ec2_compute,
    ec2_images,
    ecr,
    eks,
    eks_access,
    elbv2,
    events,
    functions,
    iam,
    kms,
    logs,
    rds,
    route53,
    s3,
    s3_settings,
    secretsmanager,
    sns,
    sqs,
)

CATALOG: dict[str, ResourceType] = {
    kind.token: kind
    for service in (
        *(s3, s3_settings, ecr, kms, iam, route53, acm, backup, backup_air_gapped, backup_testing, rds, secretsmanager),
        *(cloudwatch, logs, sns, sqs, events, functions, codebuild),
        *(ec2, ec2_access, ec2_compute, ec2_images, autoscaling, eks, eks_access, elbv2),
    )
    for kind in service.TYPES
}
