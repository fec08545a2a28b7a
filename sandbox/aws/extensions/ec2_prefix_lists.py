"""EC2: managed prefix lists of Route 53's health checkers and of S3, and the rules that a security group may have."""

from __future__ import annotations

from typing import Any

from moto.ec2.models import ec2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import service_addresses
from sandbox.aws.behaviours.sources import CHECKERS
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

WEIGHTS = {"route53-healthchecks": 25, "vpc-lattice": 10, "s3": 1, "dynamodb": 1}
"""Rules that a managed prefix list counts as (Amazon VPC user guide, "AWS-managed prefix list weight")."""
MOST_RULES = 60
"""Inbound rules of a security group (Amazon VPC user guide, "Amazon VPC quotas")."""


def add_checkers(region: str) -> None:
    """Create the prefix list of a region's health checkers, which moto lacks."""
    backend = ec2_backends[ACCOUNT][region]
    name = f"com.amazonaws.{region}.route53-healthchecks"
    if all(each.prefix_list_name != name for each in backend.managed_prefix_lists.values()):
        entries = [{"Cidr": block, "Description": "default"} for block in CHECKERS]
        backend._create_aws_managed_prefix_list(name, "IPv4", entries)


@answers("ec2", "DescribeManagedPrefixLists")
def describe_managed_prefix_lists(call: Call, moto: Moto) -> Answer:
    """Include the prefix list of Route 53's health checkers."""
    add_checkers(call.region)
    return moto()


@answers("ec2", "GetManagedPrefixListEntries")
def get_managed_prefix_list_entries(call: Call, moto: Moto) -> Answer:
    """Give the region's own blocks of S3; moto has the same ones in each region."""
    service_addresses.publish(call.region)
    return moto()


@answers("ec2", "DescribePrefixLists")
def describe_prefix_lists(call: Call, moto: Moto) -> Any:
    """Include the blocks of each list, which moto leaves out."""
    service_addresses.publish(call.region)
    parameters = call.parameters
    filters = {each["Name"]: each["Values"] for each in parameters.get("Filters") or ()}
    found = ec2_backends[ACCOUNT][call.region].describe_managed_prefix_lists(parameters.get("PrefixListIds"), filters)
    return {
        "PrefixLists": [
            {
                "PrefixListId": each.id,
                "PrefixListName": each.prefix_list_name,
                "Cidrs": [entry["Cidr"] for entries in each.entries.values() for entry in entries or ()],
            }
            for each in found
            if each.owner_id == "AWS"
        ]
    }


@answers("ec2", "AuthorizeSecurityGroupIngress")
def authorize_ingress(call: Call, moto: Moto) -> Answer:
    """Refuse unknown prefix lists, and more rules than a security group may have, each list with its weight.

    Source: EC2 API reference, "Error codes".
    """
    backend, parameters = ec2_backends[ACCOUNT][call.region], call.parameters
    wanted = parameters.get("IpPermissions") or []
    lists = [each["PrefixListId"] for permission in wanted for each in permission.get("PrefixListIds") or []]
    for one in lists:
        if one not in backend.managed_prefix_lists:
            raise AwsError("InvalidPrefixListID.NotFound", f"The prefix list ID '{one}' does not exist")
    group = backend.get_security_group_from_id(str(parameters.get("GroupId", "")))
    if group is not None:
        held = sum(_weight(backend, rule.prefix_list_id) for rule in group.ingress_rules)
        blocks = [peer for permission in wanted for peer in (permission.get("IpRanges") or [])]
        groups = [peer for permission in wanted for peer in (permission.get("UserIdGroupPairs") or [])]
        if held + len(blocks) + len(groups) + sum(_weight(backend, one) for one in lists) > MOST_RULES:
            message = "The maximum number of rules per security group has been reached."
            raise AwsError("RulesPerSecurityGroupLimitExceeded", message)
    return moto()


def _weight(backend: Any, prefix_list: str | None) -> int:
    """Return the number of rules that a rule counts as."""
    found = backend.managed_prefix_lists.get(prefix_list) if prefix_list else None
    return WEIGHTS.get(str(found.prefix_list_name).rpartition(".")[2], 1) if found else 1
