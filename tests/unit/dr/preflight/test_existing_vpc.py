from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr.errors import Invalid
from dr.preflight.existing_vpc import PRIVATE_TAG, PUBLIC_TAG, find
from dr.topology.topology import Site
from tests.support.builders import topology

SITE = topology().recovery


@pytest.fixture
def ec2() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ec2", SITE.region)


def vpc(ec2: Any, cidr: str = SITE.cidr) -> str:
    return str(ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"])


def subnet(ec2: Any, of: str, number: int, letter: str, tag: str) -> str:
    made = ec2.create_subnet(
        VpcId=of,
        CidrBlock=f"10.1.{number}.0/24",
        AvailabilityZone=f"us-west-2{letter}",
        TagSpecifications=[{"ResourceType": "subnet", "Tags": [{"Key": tag, "Value": "1"}]}],
    )
    return str(made["Subnet"]["SubnetId"])


def problems_of(vpc_id: str, site: Site = SITE) -> str:
    with pytest.raises(Invalid) as caught:
        find(vpc_id, site)
    return str(caught.value)


def test_one_public_and_private_subnet_per_zone_is_found_by_tag(ec2: Any) -> None:
    made = vpc(ec2)
    public = {letter: subnet(ec2, made, number, letter, PUBLIC_TAG) for number, letter in enumerate("ba")}
    private = {letter: subnet(ec2, made, number, letter, PRIVATE_TAG) for number, letter in enumerate("abc", 10)}
    other = subnet(ec2, made, 20, "a", PRIVATE_TAG)
    found = find(made, SITE)

    assert found.vpc_id == made
    assert dict(found.public_subnets) == {f"us-west-2{letter}": public[letter] for letter in "ab"}
    assert list(found.private_subnets) == ["us-west-2a", "us-west-2b", "us-west-2c"]
    assert found.private_subnets["us-west-2a"] == min(private["a"], other)


@pytest.mark.usefixtures("ec2")
def test_missing_existing_vpc_is_reported_with_the_region() -> None:
    assert "dr:existingVpc: vpc-0123456789abcdef0 is not in us-west-2" in problems_of("vpc-0123456789abcdef0")


def test_cidr_mismatch_and_missing_subnet_tags_are_reported_together(ec2: Any) -> None:
    made = vpc(ec2, "10.9.0.0/16")
    text = problems_of(made)

    assert f"dr:recoveryCidr: 10.1.0.0/16 is configured, but {made} has 10.9.0.0/16" in text
    assert "public subnets, those with the tag kubernetes.io/role/elb=1, in 0 zone(s): none" in text
    assert "private subnets, those with the tag kubernetes.io/role/internal-elb=1, in 0 zone(s): none" in text


def test_existing_vpc_with_subnets_in_one_zone_is_refused(ec2: Any) -> None:
    made = vpc(ec2)
    for number, tag in enumerate((PUBLIC_TAG, PRIVATE_TAG, PRIVATE_TAG)):
        subnet(ec2, made, number, "a", tag)

    assert "in 1 zone(s): us-west-2a" in problems_of(made)
