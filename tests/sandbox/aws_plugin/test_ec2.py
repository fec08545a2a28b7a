"""EC2's types beyond create, update and delete: replacement, drift and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.sandbox.aws_plugin.examples import make
from tests.sandbox.aws_plugin.examples_ec2 import (
    DEFAULT_GROUP,
    EIP,
    FLOW_LOG,
    GROUP,
    LOG_GROUP,
    ROUTE,
    SUBNET,
    VPC,
    https,
    subnet,
)
from tests.sandbox.aws_plugin.harness import Engine, Managed, given


@pytest.mark.parametrize(
    ("example", "changes", "path"),
    [
        ("vpc", {"cidrBlock": "10.9.0.0/16"}, "cidrBlock"),
        ("subnet", {"availabilityZone": "us-east-1b"}, "availabilityZone"),
        ("nat-gateway", {"allocationId": "eipalloc-another"}, "allocationId"),
        ("route", {"destinationCidrBlock": "10.9.0.0/16"}, "destinationCidrBlock"),
        ("security-group", {"description": "another"}, "description"),
        ("gateway-endpoint", {"serviceName": "com.amazonaws.us-east-1.dynamodb"}, "serviceName"),
        ("flow-log", {"trafficType": "REJECT"}, "trafficType"),
        ("log-group", {"name": "/another"}, "name"),
        ("vpc", {"region": "us-west-2"}, "region"),
    ],
)
def test_immutable_property_is_replaced(engine: Engine, example: str, changes: dict[str, str], path: str) -> None:
    made = make(engine, example, f"replaced-{example}-{path}")

    assert made.changes(**{**given(made), **changes}) == {path: "UPDATE_REPLACE"}


def _open(engine: Engine, made: Managed) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    engine.client("ec2").authorize_security_group_ingress(GroupId=made.id, IpPermissions=[rule])


def _elsewhere(engine: Engine, made: Managed) -> None:
    table, destination = made.id.split("_")
    vpc = engine.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["VpcId"]
    gateway = engine.client("ec2").create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    engine.client("ec2").attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    engine.client("ec2").replace_route(RouteTableId=table, DestinationCidrBlock=destination, GatewayId=gateway)


def _keep(engine: Engine, made: Managed) -> None:
    engine.client("logs").put_retention_policy(logGroupName=made.id, retentionInDays=1)


@pytest.mark.parametrize(
    ("example", "change", "paths"),
    [
        ("security-group", _open, {"ingress"}),
        ("default-security-group", _open, {"ingress"}),
        ("route", _elsewhere, {"gatewayId", "natGatewayId"}),
        ("log-group", _keep, {"retentionInDays"}),
    ],
)
def test_refresh_finds_a_change_outside_pulumi_and_an_update_reverts_it(
    engine: Engine, example: str, change: Callable[[Engine, Managed], None], paths: set[str]
) -> None:
    made = make(engine, example, f"drift-{example}")
    inputs = {name: value for name, value in made.inputs.items() if name not in ("__defaults", "tagsAll")}
    change(engine, made)
    assert made.refresh()
    assert {path.partition("[")[0] for path in made.changes(**inputs)} == paths
    made.update(**inputs)
    assert made.changes(**inputs) == {}
    assert made.refresh()
    assert made.changes(**inputs) == {}


@pytest.mark.parametrize(
    ("example", "operation", "argument"),
    [
        ("nat-gateway", "delete_nat_gateway", "NatGatewayId"),
        ("subnet", "delete_subnet", "SubnetId"),
        ("route-table", "delete_route_table", "RouteTableId"),
        ("eip", "release_address", "AllocationId"),
    ],
)
def test_refresh_finds_a_deletion_outside_pulumi(engine: Engine, example: str, operation: str, argument: str) -> None:
    made = make(engine, example, f"gone-{example}")
    getattr(engine.client("ec2"), operation)(**{argument: made.id})

    assert not made.refresh()


def test_internet_gateway_detached_outside_pulumi_is_deleted(engine: Engine) -> None:
    made = make(engine, "internet-gateway", "detached")
    engine.client("ec2").detach_internet_gateway(InternetGatewayId=made.id, VpcId=made.state["vpcId"])
    made.delete()

    assert not made.refresh()


def test_new_security_group_has_only_rules_of_the_program(engine: Engine) -> None:
    place = subnet(engine, "closed")["vpcId"]
    made = engine.make(GROUP, "closed", vpcId=place)
    (group,) = engine.client("ec2").describe_security_groups(GroupIds=[made.id])["SecurityGroups"]

    assert (group["IpPermissions"], group["IpPermissionsEgress"]) == ([], [])
    assert group["Description"] == "Managed by Pulumi"
    assert group["GroupName"].startswith("closed-")


def test_default_security_group_is_adopted_and_kept_with_its_vpc(engine: Engine) -> None:
    made = make(engine, "default-security-group", "adopted")
    made.delete()
    (group,) = engine.client("ec2").describe_security_groups(GroupIds=[made.id])["SecurityGroups"]

    assert (group["GroupName"], group["IpPermissionsEgress"]) == ("default", [])


def test_subnet_outside_its_vpc_is_refused_with_the_error_code_of_aws(engine: Engine) -> None:
    inputs = {**subnet(engine, "outside"), "cidrBlock": "10.9.0.0/24"}
    with pytest.raises(grpc.RpcError, match=r"InvalidSubnet\.Range"):
        engine.make(SUBNET, "outside", **inputs)


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (VPC, {"cidrBlock": "10.0.0.1/16"}, "cidrBlock", "not a network address"),
        (VPC, {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "not between /16 and /28"),
        (VPC, {"cidrBlock": "10.0.0.0/16", "ipv6CidrBlock": "x"}, "ipv6CidrBlock", "not carried by the sandbox"),
        (EIP, {"domain": "standard"}, "domain", "none of vpc"),
        (ROUTE, {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"}, "gatewayId", "none is set"),
        (GROUP, {"name": "sg-mine"}, "name", "does not begin with sg-"),
        (GROUP, {"ingress": [https("10.0.0.1/16")]}, "ingress[0].cidrBlocks", "not a network address"),
        (
            DEFAULT_GROUP,
            {"vpcId": "vpc-1", "egress": [{"protocol": "-1", "fromPort": 1, "toPort": 1}]},
            "egress[0].fromPort",
            "both ports are 0",
        ),
        (FLOW_LOG, {"vpcId": "vpc-1", "trafficType": "SOME", "logDestination": "arn:aws:x"}, "trafficType", "ACCEPT"),
        (FLOW_LOG, {"vpcId": "vpc-1", "trafficType": "ALL", "logDestination": "x"}, "logDestination", "not an ARN"),
        (LOG_GROUP, {"retentionInDays": 31}, "retentionInDays", "31 is none of 0, 1, 3"),
    ],
)
def test_invalid_property_is_reported(
    engine: Engine, token: str, inputs: dict[str, Any], path: str, reason: str
) -> None:
    (failure,) = engine.check(token, "broken", inputs).failures

    assert failure.property == path
    assert reason in failure.reason
