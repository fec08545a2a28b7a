"""Security groups of a load balancer, and the managed prefix list of Route 53's health checkers."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.behaviours import sources
from sandbox.server import Running

REGION = "us-west-2"
NAME = f"com.amazonaws.{REGION}.route53-healthchecks"


@pytest.fixture
def ec2(aws: Running) -> Any:
    return aws.client("ec2", REGION)


@pytest.fixture
def group(ec2: Any) -> str:
    """A security group without ingress."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_security_group(GroupName="clients", Description="clients", VpcId=vpc)["GroupId"])


def checkers(ec2: Any) -> str:
    filters = [{"Name": "prefix-list-name", "Values": [NAME]}]
    (found,) = ec2.describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
    return str(found["PrefixListId"])


def admit(ec2: Any, group: str, **peers: Any) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **peers}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def blocks(count: int) -> list[dict[str, str]]:
    return [{"CidrIp": f"198.18.{number}.0/24"} for number in range(count)]


def refusal(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_a_security_group_admits_the_addresses_and_ports_of_its_rules(ec2: Any, group: str) -> None:
    addresses = (sources.CLIENT, sources.FUNCTION, sources.CHECKER)
    assert not any(sources.admitted(REGION, [group], 443, each) for each in addresses)

    admit(ec2, group, IpRanges=[{"CidrIp": "203.0.113.0/24"}])
    assert [sources.admitted(REGION, [group], 443, each) for each in addresses] == [True, False, False]
    assert not sources.admitted(REGION, [group], 80, sources.CLIENT)

    admit(ec2, group, PrefixListIds=[{"PrefixListId": checkers(ec2)}])
    assert [sources.admitted(REGION, [group], 443, each) for each in addresses] == [True, False, True]
    assert sources.admitted(REGION, [], 443, sources.FUNCTION), "a load balancer without groups admits all"


def test_the_prefix_list_of_health_checkers_counts_as_25_rules(ec2: Any, group: str) -> None:
    admit(ec2, group, PrefixListIds=[{"PrefixListId": checkers(ec2)}])
    admit(ec2, group, IpRanges=blocks(35))

    code = refusal(lambda: admit(ec2, group, IpRanges=[{"CidrIp": "203.0.113.0/24"}]))
    assert code == "RulesPerSecurityGroupLimitExceeded"


def test_an_unknown_prefix_list_is_refused(ec2: Any, group: str) -> None:
    code = refusal(lambda: admit(ec2, group, PrefixListIds=[{"PrefixListId": "pl-0123456789abcdef0"}]))

    assert code == "InvalidPrefixListID.NotFound"


def test_functions_and_pods_call_from_addresses_of_their_own() -> None:
    def header(user: str) -> dict[str, str]:
        return {"HTTP_PROXY_AUTHORIZATION": f"Basic {base64.b64encode(f'{user}:'.encode()).decode()}"}

    assert sources.source_of(header(sources.FUNCTION_USER)) == sources.FUNCTION
    assert sources.source_of(header(f"{sources.POD_USER}0a")) == sources.POD
    assert [sources.pod_of(header(user)) for user in (f"{sources.POD_USER}0a", "someone")] == ["0a", ""]
    assert sources.source_of(header("someone")) == sources.source_of({}) == sources.CLIENT
