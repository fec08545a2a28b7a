"""Lookup of an existing VPC by ID, and of its subnets by the tags with which EKS load balancers discover them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dr.clients import calls, client
from dr.errors import Invalid, Problem
from dr.topology.network import FEWEST_ZONES
from dr.topology.topology import Site

PUBLIC_TAG, PRIVATE_TAG = "kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"
"""Tags of public and private subnets, with the value 1 (EKS user guide, "Network load balancing")."""


@dataclass(frozen=True)
class ExistingVpc:
    """An existing VPC.

    Args:
        vpc_id: ID of the VPC.
        public_subnets: IDs of the public subnets, by zone.
        private_subnets: IDs of the private subnets, by zone.
    """

    vpc_id: str
    public_subnets: Mapping[str, str]
    private_subnets: Mapping[str, str]


def find(vpc_id: str, site: Site) -> ExistingVpc:
    """Look up a VPC in its region.

    Args:
        vpc_id: ID of the VPC.
        site: The region, with the configured CIDR block.

    Raises:
        Invalid: The VPC does not exist, lacks the configured CIDR block, has tagged subnets in too few zones, or has no
            tagged private subnet in a configured zone.
        Unreachable: The region does not answer.
    """
    with calls(vpc_id, site.region):
        ec2 = client("ec2", site.region)
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Vpcs"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    if not vpcs:
        remedy = "set the ID of a VPC in that region and account, or set the key to an empty text to create one"
        raise Invalid(Problem("dr:existingVpc", f"{vpc_id} is not in {site.region}", remedy))
    wrong = []
    has = [each["CidrBlock"] for each in vpcs[0]["CidrBlockAssociationSet"]]
    if site.cidr not in has:
        key = f"dr:{site.role}Cidr"
        fact = f"{site.cidr} is configured, but {vpc_id} has {', '.join(has)}; overlaps would not be seen"
        wrong.append(Problem(key, fact, f"`pulumi config set {key} {has[0]}` in both stacks, or in Pulumi.yaml"))
    found = {}
    for kind, tag in (("public", PUBLIC_TAG), ("private", PRIVATE_TAG)):
        found[kind] = _by_zone(subnets, tag)
        if len(found[kind]) < FEWEST_ZONES:
            zones = ", ".join(found[kind]) or "none"
            fact = f"{vpc_id} has {kind} subnets, those with the tag {tag}=1, in {len(found[kind])} zone(s): {zones}"
            wrong.append(Problem("dr:existingVpc", fact, f"tag one in each of {FEWEST_ZONES} zones or more"))
        elif kind == "private" and (lacking := [zone for zone in site.zones if zone not in found[kind]]):
            fact = f"{vpc_id} has no private subnet, with the tag {tag}=1, in {', '.join(lacking)}"
            remedy = f"tag one there, or name the zones {', '.join(found[kind])}"
            wrong.append(Problem(f"dr:{site.role}Zones", fact, remedy))
    if wrong:
        raise Invalid(*wrong)
    return ExistingVpc(vpc_id, found["public"], found["private"])


def _by_zone(subnets: list[dict[str, Any]], tag: str) -> dict[str, str]:
    """Return one tagged subnet for each zone: the first by ID, so that the choice is stable."""
    wanted = {"Key": tag, "Value": "1"}
    tagged = [each for each in subnets if wanted in each.get("Tags", [])]
    found: dict[str, str] = {}
    for each in sorted(tagged, key=lambda each: (each["AvailabilityZone"], each["SubnetId"])):
        found.setdefault(each["AvailabilityZone"], each["SubnetId"])
    return found
