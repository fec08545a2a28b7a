"""Networks of both regions, read back with boto3. test_tiers.py tests their changes by tier."""

from __future__ import annotations

from typing import Any

import pytest

from dr.errors import Failed
from dr.topology.network import ENDPOINTS
from tests.support.network import EAST, WEST, in_vpc, nat_routes, nat_zones, vpc_of
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

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
    """A zone that the control plane was not created in has nodes only."""
    before = stable(deployed)
    eks = deployed.client("eks", WEST)
    try:
        with deployed.configured("dr", privateEndpoints="true", recoveryZones=[f"{WEST}{zone}" for zone in "abcd"]):
            added = deployed.engine.up("dr")
        found = in_vpc(deployed, WEST, "describe_vpc_endpoints", "VpcEndpoints")
        control_plane = eks.describe_cluster(name="ml-dr")["cluster"]["resourcesVpcConfig"]["subnetIds"]
        during = stable(deployed)
    finally:
        removed = deployed.engine.up("dr")

    created = {urn.rpartition("::")[2] for operation, urn, _ in added.changed if operation == "create"}
    assert created == {urn.rpartition("::")[2] for operation, urn, _ in removed.changed if operation == "delete"}
    assert {each["ServiceName"].partition(f"{WEST}.")[2] for each in found} == {"s3", *ENDPOINTS}
    assert all(len(each["SubnetIds"]) == 4 for each in found if each["VpcEndpointType"] == "Interface")
    assert len(control_plane) == 3
    new = {urn.rpartition("::")[2] for urn in during.keys() - before.keys()}
    assert {name for name in new if not name.startswith("network-endpoint")} == {
        *("network-private-d", "network-private-d-subnet", "network-private-d-association"),
        *("network-public-d-subnet", "network-public-d-association"),
    }
    assert new | {"cluster-gpu-d"} <= created
    assert before == {urn: id for urn, id in during.items() if urn in before}
    assert stable(deployed) == before


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
