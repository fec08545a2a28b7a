"""Hosts of AWS services, by the names that SDKs call."""

from __future__ import annotations

import re
from dataclasses import dataclass

REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
S3 = re.compile(rf"(?:(?P<bucket>.+)\.)?s3(?:[.-](?P<region>{REGION}))?\.amazonaws\.com")
"""S3, by path or by the name of a bucket (S3 user guide, "Virtual hosting of buckets")."""
REGIONAL = re.compile(rf"(?P<service>[a-z0-9-]+(?:\.[a-z0-9-]+)?)\.(?P<region>{REGION})\.amazonaws\.com")
LEGACY_REGION = "us-east-1"
"""Region of `s3.amazonaws.com` and `sts.amazonaws.com` (S3 user guide, "Virtual hosting of buckets", "Legacy global
endpoint"; IAM user guide, "Manage AWS STS in an AWS Region")."""
GLOBAL = "global"
GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront", "organizations", "budgets", "ce", "shield"})
"""Services with one endpoint for the partition. STS is not one of them: SDKs call its regional endpoints."""
OF_RESOURCES = (".elb", ".eks", "dkr.ecr", ".execute-api")
"""Names before the region that belong to customers' resources, not to a service."""


@dataclass(frozen=True)
class ServiceHost:
    """A host of a service.

    Args:
        service: Its name in the host.
        region: Its region; "global" for a service with one endpoint for the partition.
        bucket: Bucket that the name begins with; "" for none.
    """

    service: str
    region: str
    bucket: str = ""


def find(name: str) -> ServiceHost | None:
    """Return the service's host with a name; None for another name."""
    if match := S3.fullmatch(name):
        return ServiceHost("s3", match["region"] or LEGACY_REGION, match["bucket"] or "")
    service, _, rest = name.partition(".")
    if rest == "amazonaws.com" and service in GLOBAL_SERVICES:
        return ServiceHost(service, GLOBAL)
    if rest == "amazonaws.com" and service == "sts":
        return ServiceHost(service, LEGACY_REGION)
    match = REGIONAL.fullmatch(name)
    if match is None or match["service"].endswith(OF_RESOURCES):
        return None
    return ServiceHost(match["service"], match["region"])
