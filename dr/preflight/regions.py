"""Check that both regions are enabled in the account.

EC2 is asked in the stack's own region: the Account Management API (`account:GetRegionOptStatus`) has one endpoint, in
us-east-1.
"""

from __future__ import annotations

from collections.abc import Iterator

from dr.clients import calls, client
from dr.findings import Finding, Status
from dr.preflight.check import Subject

ENABLED = ("opt-in-not-required", "opted-in")
"""Values of OptInStatus of a region that can be used (EC2 API reference, Region)."""


def look(subject: Subject) -> Iterator[Finding]:
    """Check both regions, as EC2 of the stack's region reports them.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: EC2 refused the request.
        Unreachable: The stack's region does not answer.
    """
    wanted = [subject.topology.primary.region, subject.topology.recovery.region]
    with calls("regions of the account", subject.region):
        answer = client("ec2", subject.region).describe_regions(AllRegions=True, RegionNames=wanted)
    status = {each["RegionName"]: each["OptInStatus"] for each in answer["Regions"]}
    for region in wanted:
        name, found = f"region {region}", status.get(region, "unknown to EC2")
        if found in ENABLED:
            yield Finding(name, Status.MET, f"enabled ({found})")
            continue
        enable = f"`aws account enable-region --region-name {region}`, which takes minutes to hours"
        yield Finding(name, Status.MISSED, f"is {found} in account {subject.topology.account}", enable)
