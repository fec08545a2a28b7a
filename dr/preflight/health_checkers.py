"""Lookup of the addresses of Route 53's health checkers: a managed prefix list in each region."""

from __future__ import annotations

from dr.clients import calls, client
from dr.errors import Failed, Problem


def find(region: str) -> str:
    """Return the ID of the prefix list `com.amazonaws.<region>.route53-healthchecks`.

    Source: Amazon VPC user guide, "AWS-managed prefix lists".

    Args:
        region: The region.

    Raises:
        Failed: The region has no such list.
        Unreachable: The region does not answer.
    """
    name = f"com.amazonaws.{region}.route53-healthchecks"
    with calls(name, region):
        filters = [{"Name": "prefix-list-name", "Values": [name]}]
        found = client("ec2", region).describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
    if not found:
        fact = f"{region} has no such prefix list, so the security group cannot admit Route 53's health checkers"
        remedy = "allow ec2:DescribeManagedPrefixLists, or choose a region that has it"
        raise Failed(Problem(name, fact, remedy))
    return str(found[0]["PrefixListId"])
