"""What a region's network is, read back with boto3."""

from __future__ import annotations

from typing import Any

from tests.support.sandbox import SandboxUnderTest

EAST, WEST = "us-east-1", "us-west-2"
STACK = {EAST: "primary", WEST: "dr"}


def vpc_of(deployed: SandboxUnderTest, region: str) -> str:
    """The VPC of a region's stack."""
    return str(deployed.engine.outputs(STACK[region])["vpc_id"])


def in_vpc(deployed: SandboxUnderTest, region: str, operation: str, answer: str, word: str = "Filters") -> Any:
    """What a describe call finds in the VPC of a region's stack."""
    wanted = [{"Name": "vpc-id", "Values": [vpc_of(deployed, region)]}]
    return getattr(deployed.client("ec2", region), operation)(**{word: wanted})[answer]


def name_of(thing: dict[str, Any]) -> str:
    """The tag that people read."""
    return str({tag["Key"]: tag["Value"] for tag in thing["Tags"]}["Name"])


def nat_zones(deployed: SandboxUnderTest, region: str) -> str:
    """Last letters of the zones that have a NAT gateway."""
    gateways = in_vpc(deployed, region, "describe_nat_gateways", "NatGateways", "Filter")
    return "".join(sorted(name_of(each)[-1] for each in gateways if each["State"] == "available"))


def ways_out(deployed: SandboxUnderTest, region: str) -> dict[str, str]:
    """By private route table: the zone of the NAT gateway that its default route leads to."""
    gateways = in_vpc(deployed, region, "describe_nat_gateways", "NatGateways", "Filter")
    zones = {each["NatGatewayId"]: name_of(each)[-1] for each in gateways if each["State"] == "available"}
    found = {}
    for table in in_vpc(deployed, region, "describe_route_tables", "RouteTables"):
        for route in table["Routes"]:
            if route.get("DestinationCidrBlock") == "0.0.0.0/0" and "NatGatewayId" in route:
                found[name_of(table)[-1]] = zones[route["NatGatewayId"]]
    return found
