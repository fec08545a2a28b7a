"""EC2 behaviours of the API reference that moto lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import RECOVERY


@dataclass
class Place:
    """A VPC with a subnet and a route table."""

    ec2: Any
    vpc: str
    subnet: str
    table: str

    def nat(self) -> tuple[str, str]:
        """A NAT gateway and its Elastic IP address."""
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        made = self.ec2.create_nat_gateway(SubnetId=self.subnet, AllocationId=address)["NatGateway"]
        return made["NatGatewayId"], address

    def endpoint(self, service: str, **more: Any) -> str:
        name = f"com.amazonaws.{RECOVERY}.{service}"
        made = self.ec2.create_vpc_endpoint(VpcId=self.vpc, ServiceName=name, **more)
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def endpoint_routes(self) -> list[str]:
        (table,) = self.ec2.describe_route_tables(RouteTableIds=[self.table])["RouteTables"]
        return [route["GatewayId"] for route in table["Routes"] if "DestinationPrefixListId" in route]


@pytest.fixture
def place(aws: Running) -> Place:
    ec2 = aws.client("ec2", RECOVERY)
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    zone = f"{RECOVERY}a"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/19", AvailabilityZone=zone)["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return Place(ec2, vpc, subnet, table)


def refused(code: str, call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code


def test_only_a_subnet_without_a_nat_gateway_is_deleted(place: Place) -> None:
    nat, _ = place.nat()
    refused("DependencyViolation", place.ec2.delete_subnet, SubnetId=place.subnet)

    place.ec2.delete_nat_gateway(NatGatewayId=nat)
    place.ec2.delete_subnet(SubnetId=place.subnet)
    assert place.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [place.vpc]}])["Subnets"] == []


def test_a_subnet_with_an_interface_endpoint_is_not_deleted(place: Place) -> None:
    endpoint = place.endpoint("sts", VpcEndpointType="Interface", SubnetIds=[place.subnet])
    refused("DependencyViolation", place.ec2.delete_subnet, SubnetId=place.subnet)

    place.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    place.ec2.delete_subnet(SubnetId=place.subnet)


def test_an_address_is_released_only_after_its_nat_gateway_is_deleted(place: Place) -> None:
    nat, address = place.nat()
    refused("InvalidIPAddress.InUse", place.ec2.release_address, AllocationId=address)

    place.ec2.delete_nat_gateway(NatGatewayId=nat)
    (found,) = place.ec2.describe_addresses(AllocationIds=[address])["Addresses"]
    assert not found.get("AssociationId")
    place.ec2.release_address(AllocationId=address)
    assert place.ec2.describe_addresses()["Addresses"] == []


def test_a_gateway_endpoint_follows_its_route_tables(place: Place) -> None:
    endpoint = place.endpoint("s3", VpcEndpointType="Gateway")
    assert place.endpoint_routes() == []

    place.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[place.table])
    assert place.endpoint_routes() == [endpoint]
    place.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[place.table])
    assert place.endpoint_routes() == []


def test_private_dns_of_an_endpoint_is_switched(place: Place) -> None:
    endpoint = place.endpoint("sts", VpcEndpointType="Interface", PrivateDnsEnabled=False)
    place.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PrivateDnsEnabled=True)

    (found,) = place.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    assert found["PrivateDnsEnabled"] is True


@pytest.mark.parametrize(("there", "status"), [(True, "SUCCESS"), (False, "FAILED")])
def test_a_flow_log_is_delivered_while_its_log_group_exists(
    aws: Running, place: Place, there: bool, status: str
) -> None:
    if there:
        aws.client("logs", RECOVERY).create_log_group(logGroupName="/flows")
    place.ec2.create_flow_logs(
        ResourceIds=[place.vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestination=f"arn:aws:logs:{RECOVERY}:123456789012:log-group:/flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flows",
    )

    (log,) = place.ec2.describe_flow_logs()["FlowLogs"]
    assert log["DeliverLogsStatus"] == status
