import json
from typing import Any

import pytest

from components.network.network import ENDPOINTS, Network, NetworkArgs
from components.network.network_iam import trust_flow_logs, write_flow_logs
from dr.preflight.existing_vpc import ExistingVpc
from dr.topology.tiers import Nat
from tests.support.mocks import Cloud, deploy

ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")


def args(**changes: Any) -> NetworkArgs:
    values = {
        "label": "ml-dr",
        "account": "123456789012",
        "region": "us-west-2",
        "cidr": "10.1.0.0/16",
        "zones": ZONES,
        "nat": Nat.ONE,
        "tags": {"project": "ml-dr"},
    }
    return NetworkArgs(**{**values, **changes})


def made(**changes: Any) -> Cloud:
    return deploy(lambda: Network("network", args(**changes)))


def routes(cloud: Cloud) -> dict[str, str]:
    """Where each route table's way to the internet leads."""
    return {
        name.removeprefix("network-").removesuffix("-internet"): each.inputs.get("natGatewayId")
        or each.inputs["gatewayId"]
        for name, each in cloud.of("Route").items()
    }


def test_every_zone_has_a_public_and_a_private_subnet_tagged_for_its_load_balancers() -> None:
    cloud = made()

    for letter in "abc":
        public = cloud.one("Subnet", f"network-public-{letter}-subnet")
        private = cloud.one("Subnet", f"network-private-{letter}-subnet")
        assert public["availabilityZone"] == private["availabilityZone"] == f"us-west-2{letter}"
        assert public["tags"]["kubernetes.io/role/elb"] == "1"
        assert private["tags"]["kubernetes.io/role/internal-elb"] == "1"
    assert len(cloud.of("Subnet")) == len(cloud.of("RouteTableAssociation")) == 6


@pytest.mark.parametrize(
    ("nat", "expected"),
    [
        (Nat.NONE, {}),
        (Nat.ONE, {f"private-{letter}": "nat-network-nat-a" for letter in "abc"}),
        (Nat.ZONE, {f"private-{letter}": f"nat-network-nat-{letter}" for letter in "abc"}),
    ],
)
def test_private_subnets_go_out_by_the_nat_gateway_of_their_zone_or_the_only_one(
    nat: Nat, expected: dict[str, str]
) -> None:
    cloud = made(nat=nat)

    assert routes(cloud) == {"public": "igw-network-gateway", **expected}
    assert len(cloud.of("NatGateway")) == len(cloud.of("Eip")) == len(set(expected.values()))


def test_a_nat_gateway_is_in_the_public_subnet_of_its_zone() -> None:
    cloud = made(nat=Nat.ZONE)

    for letter in "abc":
        gateway = cloud.one("NatGateway", f"network-nat-{letter}")
        assert gateway["subnetId"] == f"subnet-network-public-{letter}-subnet"
        assert gateway["allocationId"] == f"eipalloc-network-nat-{letter}-address"


@pytest.mark.parametrize("change", [{"nat": Nat.NONE}, {"nat": Nat.ZONE}, {"zones": ZONES[:2]}, {"zones": ZONES[::-1]}])
def test_what_holds_workloads_is_the_same_after_any_change(change: dict[str, Any]) -> None:
    kept = ("Vpc", "Subnet", "RouteTableAssociation", "InternetGateway", "FlowLog")
    before, after = made(), made(**change)

    for short in kept:
        for name, each in after.of(short).items():
            assert each.inputs == before.one(short, name)


def test_s3_is_reached_without_a_nat_gateway_from_every_subnet() -> None:
    endpoint = made(nat=Nat.NONE).one("VpcEndpoint", "network-endpoint-s3")

    assert (endpoint["serviceName"], endpoint["vpcEndpointType"]) == ("com.amazonaws.us-west-2.s3", "Gateway")
    assert set(endpoint["routeTableIds"]) == {
        "rtb-network-public",
        *(f"rtb-network-private-{letter}" for letter in "abc"),
    }


def test_interface_endpoints_are_made_only_when_asked_for() -> None:
    assert list(made().of("VpcEndpoint")) == ["network-endpoint-s3"]
    assert not made().of("SecurityGroup")


def test_interface_endpoints_are_in_every_zone_and_answer_to_the_vpc_alone() -> None:
    cloud = made(private_endpoints=True)

    assert len(cloud.of("VpcEndpoint")) == 1 + len(ENDPOINTS)
    for service in ENDPOINTS:
        endpoint = cloud.one("VpcEndpoint", f"network-endpoint-{service}")
        assert endpoint["serviceName"] == f"com.amazonaws.us-west-2.{service}"
        assert endpoint["privateDnsEnabled"] is True
        assert endpoint["subnetIds"] == [f"subnet-network-private-{letter}-subnet" for letter in "abc"]
    group = cloud.one("SecurityGroup", "network-endpoints")
    (rule,) = group["ingress"]
    assert (rule["fromPort"], rule["toPort"], rule["cidrBlocks"]) == (443, 443, ["10.1.0.0/16"])
    assert group["egress"] == []


def test_the_default_group_lets_nobody_in_or_out() -> None:
    group = made().one("DefaultSecurityGroup", "network-default-group")

    assert (group["ingress"], group["egress"]) == ([], [])


def test_all_traffic_is_logged_and_the_logs_are_kept_for_a_while() -> None:
    cloud = made(flow_log_days=90)

    log = cloud.one("FlowLog", "network-flow-log")
    assert (log["vpcId"], log["trafficType"]) == ("vpc-network-vpc", "ALL")
    assert log["logDestination"] == "arn:aws:logs:us-west-2:123456789012:log-group:/ml-dr/vpc-flow-logs"
    assert cloud.one("LogGroup", "network-flow-logs")["retentionInDays"] == 90


def test_flow_logs_may_write_to_their_group_and_no_other() -> None:
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:/ml-dr/vpc-flow-logs"
    write, find = json.loads(write_flow_logs(arn))["Statement"]

    assert write["Resource"] == [arn, f"{arn}:*"]
    assert "*" not in write["Action"]
    assert find["Action"] == "logs:DescribeLogGroups"
    assert find["Resource"] == "arn:aws:logs:us-west-2:123456789012:log-group:*"


def test_the_role_is_for_flow_logs_of_this_account_and_region_alone() -> None:
    (statement,) = json.loads(trust_flow_logs("123456789012", "us-west-2"))["Statement"]

    assert statement["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:ec2:us-west-2:123456789012:vpc-flow-log/*"}


def test_everything_regional_is_in_the_region_and_tagged() -> None:
    for each in made(nat=Nat.ZONE, private_endpoints=True).made:
        if not each.type.startswith("aws:iam/"):
            assert each.inputs["region"] == "us-west-2", each.name
        if "tags" in each.inputs:
            assert each.inputs["tags"]["project"] == "ml-dr", each.name


def test_a_named_vpc_is_used_and_nothing_is_made_in_it() -> None:
    existing = ExistingVpc("vpc-1", {"us-west-2a": "subnet-1"}, {"us-west-2a": "subnet-2"})
    found: dict[str, Any] = {}

    def build() -> None:
        network = Network("network", args(existing=existing))
        for name in ("vpc_id", "public_subnet_ids", "private_subnet_ids"):
            getattr(network, name).apply(lambda value, name=name: found.update({name: value}))

    assert deploy(build).made == []
    assert found == {"vpc_id": "vpc-1", "public_subnet_ids": ["subnet-1"], "private_subnet_ids": ["subnet-2"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cidr": "10.1.0.0/23"}, "10.1.0.0/23 is too small"),
        ({"zones": ("us-east-1a", "us-west-2b")}, '"us-east-1a" is not in us-west-2'),
        ({"zones": ZONES[:1]}, "1 of the 2 zones"),
    ],
)
def test_what_cannot_be_a_network_is_refused_before_anything_is_made(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**change)
