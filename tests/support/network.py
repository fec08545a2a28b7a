"""A deployed region's network and DNS records, read with boto3."""

from __future__ import annotations

from typing import Any

from tests.support.sandbox import SandboxUnderTest

EAST, WEST = "us-east-1", "us-west-2"
STACK = {EAST: "primary", WEST: "dr"}


def vpc_of(deployed: SandboxUnderTest, region: str) -> str:
    """Return the ID of a region's VPC."""
    return str(deployed.engine.outputs(STACK[region])["vpc_id"])


def in_vpc(deployed: SandboxUnderTest, region: str, operation: str, answer: str, word: str = "Filters") -> Any:
    """Return the result of a Describe call, filtered by a region's VPC."""
    filters = [{"Name": "vpc-id", "Values": [vpc_of(deployed, region)]}]
    return getattr(deployed.client("ec2", region), operation)(**{word: filters})[answer]


def name_of(thing: dict[str, Any]) -> str:
    """Return the value of a resource's tag `Name`."""
    return str({tag["Key"]: tag["Value"] for tag in thing["Tags"]}["Name"])


def nat_zones(deployed: SandboxUnderTest, region: str) -> str:
    """Return the last letters of the zones with a NAT gateway."""
    gateways = in_vpc(deployed, region, "describe_nat_gateways", "NatGateways", "Filter")
    return "".join(sorted(name_of(each)[-1] for each in gateways if each["State"] == "available"))


def nat_routes(deployed: SandboxUnderTest, region: str) -> dict[str, str]:
    """Return, by private route table, the zone of the NAT gateway in its default route."""
    gateways = in_vpc(deployed, region, "describe_nat_gateways", "NatGateways", "Filter")
    zones = {each["NatGatewayId"]: name_of(each)[-1] for each in gateways if each["State"] == "available"}
    routes = {}
    for table in in_vpc(deployed, region, "describe_route_tables", "RouteTables"):
        for route in table["Routes"]:
            if route.get("DestinationCidrBlock") == "0.0.0.0/0" and "NatGatewayId" in route:
                routes[name_of(table)[-1]] = zones[route["NatGatewayId"]]
    return routes


def dns_answer(deployed: SandboxUnderTest, name: str) -> list[str]:
    """Return the values with which Route 53 answers a query for a CNAME record."""
    zone, route53 = deployed.engine.outputs("primary")["zone_id"], deployed.client("route53", EAST)
    data: list[str] = route53.test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType="CNAME")["RecordData"]
    return data


def load_balancer(deployed: SandboxUnderTest, region: str) -> list[str]:
    """Return the DNS name of a region's load balancer."""
    (found,) = deployed.client("elbv2", region).describe_load_balancers()["LoadBalancers"]
    return [found["DNSName"]]
