import json
from typing import Any

import pytest

from components.network.network import Network, NetworkArgs
from components.network.network_iam import trust_flow_logs, write_flow_logs
from dr.preflight.existing_vpc import ExistingVpc
from dr.topology.network import ENDPOINTS
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


def network(**changes: Any) -> Cloud:
    return deploy(lambda: Network("network", args(**changes)))


def routes(cloud: Cloud) -> dict[str, str]:
    """Return the target of each route table's default route."""
    return {
        name.removeprefix("network-").removesuffix("-internet"): each.inputs.get("natGatewayId")
        or each.inputs["gatewayId"]
        for name, each in cloud.of("Route").items()
    }


def test_every_zone_has_a_public_and_a_private_subnet_with_load_balancer_tags() -> None:
    cloud = network()

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
def test_private_subnets_use_the_nat_gateway_of_their_zone_or_the_single_one(
    nat: Nat, expected: dict[str, str]
) -> None:
    cloud = network(nat=nat)

    assert routes(cloud) == {"public": "igw-network-gateway", **expected}
    assert len(cloud.of("NatGateway")) == len(cloud.of("Eip")) == len(set(expected.values()))


def test_a_nat_gateway_is_in_the_public_subnet_of_its_zone() -> None:
    cloud = network(nat=Nat.ZONE)

    for letter in "abc":
        gateway = cloud.one("NatGateway", f"network-nat-{letter}")
        assert gateway["subnetId"] == f"subnet-network-public-{letter}-subnet"
        assert gateway["allocationId"] == f"eipalloc-network-nat-{letter}-address"


@pytest.mark.parametrize("change", [{"nat": Nat.NONE}, {"nat": Nat.ZONE}, {"zones": ZONES[:2]}, {"zones": ZONES[::-1]}])
def test_subnets_and_route_tables_do_not_change_with_nat_or_zones(change: dict[str, Any]) -> None:
    kept = ("Vpc", "Subnet", "RouteTableAssociation", "InternetGateway", "FlowLog")
    before, after = network(), network(**change)

    for short in kept:
        for name, each in after.of(short).items():
            assert each.inputs == before.one(short, name)


def test_every_subnet_reaches_s3_through_the_gateway_endpoint() -> None:
    endpoint = network(nat=Nat.NONE).one("VpcEndpoint", "network-endpoint-s3")

    assert (endpoint["serviceName"], endpoint["vpcEndpointType"]) == ("com.amazonaws.us-west-2.s3", "Gateway")
    assert set(endpoint["routeTableIds"]) == {
        "rtb-network-public",
        *(f"rtb-network-private-{letter}" for letter in "abc"),
    }


def test_interface_endpoints_are_created_only_with_private_endpoints() -> None:
    assert list(network().of("VpcEndpoint")) == ["network-endpoint-s3"]
    assert not network().of("SecurityGroup")


def test_interface_endpoints_are_in_every_zone_and_allow_only_the_vpc() -> None:
    cloud = network(private_endpoints=True)

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


def test_the_default_security_group_allows_no_traffic() -> None:
    group = network().one("DefaultSecurityGroup", "network-default-group")

    assert (group["ingress"], group["egress"]) == ([], [])


def test_flow_logs_record_all_traffic_and_have_a_retention() -> None:
    cloud = network(flow_log_days=90)

    log = cloud.one("FlowLog", "network-flow-log")
    assert (log["vpcId"], log["trafficType"]) == ("vpc-network-vpc", "ALL")
    assert log["logDestination"] == "arn:aws:logs:us-west-2:123456789012:log-group:/ml-dr/vpc-flow-logs"
    assert cloud.one("LogGroup", "network-flow-logs")["retentionInDays"] == 90


def test_flow_logs_may_write_only_to_their_log_group() -> None:
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:/ml-dr/vpc-flow-logs"
    write, find = json.loads(write_flow_logs(arn))["Statement"]

    assert write["Resource"] == [arn, f"{arn}:*"]
    assert "*" not in write["Action"]
    assert find["Action"] == "logs:DescribeLogGroups"
    assert find["Resource"] == "arn:aws:logs:us-west-2:123456789012:log-group:*"


def test_only_flow_logs_of_this_account_and_region_may_assume_the_role() -> None:
    (statement,) = json.loads(trust_flow_logs("123456789012", "us-west-2"))["Statement"]

    assert statement["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:ec2:us-west-2:123456789012:vpc-flow-log/*"}


def test_regional_resources_are_in_the_region_and_have_tags() -> None:
    for each in network(nat=Nat.ZONE, private_endpoints=True).resources:
        if not each.type.startswith("aws:iam/"):
            assert each.inputs["region"] == "us-west-2", each.name
        if "tags" in each.inputs:
            assert each.inputs["tags"]["project"] == "ml-dr", each.name


def test_an_existing_vpc_is_used_without_changes() -> None:
    existing = ExistingVpc(
        "vpc-1", {"us-west-2a": "subnet-1"}, {zone: f"subnet-{zone[-1]}" for zone in (*ZONES, "us-west-2d")}
    )
    outputs: dict[str, Any] = {}

    def build() -> None:
        built = Network("network", args(existing=existing))
        assert built.zone_subnets == {zone: f"subnet-{zone[-1]}" for zone in ZONES}
        for name in ("vpc_id", "public_subnet_ids", "private_subnet_ids"):
            getattr(built, name).apply(lambda value, name=name: outputs.update({name: value}))

    assert deploy(build).resources == []
    private = [f"subnet-{zone}" for zone in "abcd"]
    assert outputs == {"vpc_id": "vpc-1", "public_subnet_ids": ["subnet-1"], "private_subnet_ids": private}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cidr": "10.1.0.0/23"}, "10.1.0.0/23 is too small"),
        ({"zones": ("us-east-1a", "us-west-2b")}, '"us-east-1a" is not in us-west-2'),
        ({"zones": ZONES[:1]}, "1 of the 2 zones"),
    ],
)
def test_invalid_network_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**change)
