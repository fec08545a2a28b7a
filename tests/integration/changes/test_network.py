"""Networks of both regions, read back with boto3. test_tiers.py tests their changes by tier."""

from __future__ import annotations

from typing import Any

import pytest

from dr.errors import Failed
from dr.topology.network import ENDPOINTS
from tests.support.network import EAST, WEST, in_vpc, nat_routes, nat_zones, vpc_of
from tests.support.sandbox import SandboxUnderTest

pytestmark = pytest.mark.engine

BLOCK = {EAST: "10.0.0.0/16", WEST: "10.1.0.0/16"}


def stable(deployed: SandboxUnderTest) -> dict[str, Any]:
    """Return the IDs of EC2 resources that no tier may replace: all but NAT gateways, addresses and routes."""
    comes_and_goes = ("natGateway:", "eip:", "route:")
    return {
        each["urn"]: each.get("id")
        for each in deployed.engine.resources("dr")
        if ":ec2/" in each["type"] and not each["type"].rpartition("/")[2].startswith(comes_and_goes)
    }


@pytest.mark.parametrize("region", [EAST, WEST])
def test_vpc_has_its_cidr_block_and_two_subnets_in_each_of_three_zones(deployed: SandboxUnderTest, region: str) -> None:
    (vpc,) = deployed.client("ec2", region).describe_vpcs(VpcIds=[vpc_of(deployed, region)])["Vpcs"]
    subnets = in_vpc(deployed, region, "describe_subnets", "Subnets")

    assert vpc["CidrBlock"] == BLOCK[region]
    assert sorted(each["AvailabilityZone"] for each in subnets) == sorted([f"{region}{zone}" for zone in "abc"] * 2)
    roles = [tag["Key"] for each in subnets for tag in each["Tags"] if tag["Key"].startswith("kubernetes.io/role/")]
    assert sorted(roles) == ["kubernetes.io/role/elb"] * 3 + ["kubernetes.io/role/internal-elb"] * 3


@pytest.mark.parametrize("region", [EAST, WEST])
def test_vpc_has_a_closed_default_group_an_s3_endpoint_and_flow_logs(deployed: SandboxUnderTest, region: str) -> None:
    groups = in_vpc(deployed, region, "describe_security_groups", "SecurityGroups")
    (group,) = (each for each in groups if each["GroupName"] == "default")
    assert (group["IpPermissions"], group["IpPermissionsEgress"]) == ([], [])
    (endpoint,) = in_vpc(deployed, region, "describe_vpc_endpoints", "VpcEndpoints")
    assert endpoint["ServiceName"] == f"com.amazonaws.{region}.s3"
    assert len(endpoint["RouteTableIds"]) == 4
    (log,) = deployed.client("ec2", region).describe_flow_logs()["FlowLogs"]
    assert (log["ResourceId"], log["DeliverLogsStatus"]) == (vpc_of(deployed, region), "SUCCESS")
    (logs,) = deployed.client("logs", region).describe_log_groups(logGroupNamePrefix="/ml-dr/vpc-")["logGroups"]
    assert (logs["logGroupName"], logs["retentionInDays"]) == ("/ml-dr/vpc-flow-logs", 30)


def test_primary_region_has_a_nat_gateway_in_each_zone(deployed: SandboxUnderTest) -> None:
    assert nat_zones(deployed, EAST) == "abc"
    assert nat_routes(deployed, EAST) == {"a": "a", "b": "b", "c": "c"}


def test_interface_endpoints_and_a_zone_come_and_go_without_replacing_the_rest_of_the_network(
    deployed: SandboxUnderTest,
) -> None:
    before = stable(deployed)
    try:
        with deployed.configured("dr", privateEndpoints="true"):
            endpoints_added = deployed.engine.up("dr")
        found = in_vpc(deployed, WEST, "describe_vpc_endpoints", "VpcEndpoints")
        with deployed.configured("dr", recoveryZones=[f"{WEST}a", f"{WEST}c"]):
            endpoints_and_zone_removed = deployed.engine.up("dr")
        left = stable(deployed)
    finally:
        deployed.engine.up("dr")

    assert endpoints_added.counts["create"] == len(ENDPOINTS) + 1
    created = {urn for operation, urn, _ in endpoints_added.changed if operation == "create"}
    assert created <= {urn for operation, urn, _ in endpoints_and_zone_removed.changed if operation == "delete"}
    assert {each["ServiceName"].partition(f"{WEST}.")[2] for each in found} == {"s3", *ENDPOINTS}
    assert all(len(each["SubnetIds"]) == 3 for each in found if each["VpcEndpointType"] == "Interface")
    gone = {urn.rpartition("::")[2] for urn in before.keys() - left.keys()}
    assert gone == {
        *("network-private-b", "network-private-b-subnet", "network-private-b-association"),
        *("network-public-b-subnet", "network-public-b-association"),
    }
    assert left == {urn: id for urn, id in before.items() if urn in left}
    after = stable(deployed)
    assert after.keys() == before.keys()
    assert {urn: after[urn] for urn in left} == left


def test_flow_logs_deleted_by_hand_are_restored_by_an_update_with_refresh(deployed: SandboxUnderTest) -> None:
    ec2 = deployed.client("ec2", WEST)
    (log,) = ec2.describe_flow_logs()["FlowLogs"]
    ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"]])

    assert deployed.engine.up("dr", refresh=True).counts["create"] == 1
    assert len(ec2.describe_flow_logs()["FlowLogs"]) == 1


def test_moving_a_deployed_region_to_another_network_is_refused(deployed: SandboxUnderTest) -> None:
    for stack, key, value in (
        ("dr", "existingVpc", "vpc-0123456789abcdef0"),
        ("primary", "primaryCidr", "10.9.0.0/16"),
    ):
        refused = pytest.raises(Failed, match=f"refused: (?s:.*)dr:{key}: .* cannot move to {value}")
        with deployed.configured(stack, **{key: value}), refused:
            deployed.engine.preview(stack)
