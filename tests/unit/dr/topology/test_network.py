from ipaddress import IPv4Network
from itertools import combinations

import pytest

from dr.topology.network import ZONE_LETTERS, cidr_problem, overlap_problem, zone_blocks, zone_problems


def zones(letters: str) -> list[str]:
    return [f"us-east-1{letter}" for letter in letters]


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.4.8.0/22", "172.16.0.0/19"])
def test_subnets_are_within_the_vpc_disjoint_and_of_valid_size(cidr: str) -> None:
    blocks = [
        IPv4Network(each) for zone in zone_blocks(cidr, zones(ZONE_LETTERS)) for each in (zone.public, zone.private)
    ]

    assert len(blocks) == 14
    assert all(block.subnet_of(IPv4Network(cidr)) and block.prefixlen <= 28 for block in blocks)
    assert not any(one.overlaps(other) for one, other in combinations(blocks, 2))


def test_cidr_blocks_of_a_zone_depend_only_on_its_letter() -> None:
    whole = {zone.zone: zone for zone in zone_blocks("10.0.0.0/16", zones("abcdef"))}

    assert zone_blocks("10.0.0.0/16", zones("fb")) == [whole["us-east-1f"], whole["us-east-1b"]]
    assert (whole["us-east-1b"].private, whole["us-east-1b"].public) == ("10.0.32.0/19", "10.0.228.0/22")


@pytest.mark.parametrize(
    ("cidr", "fact"),
    [
        (
            "10.0.0.0/23",
            "10.0.0.0/23 is too small: 512 addresses / 8 / 8 leave 8 for a public subnet, and AWS's smallest",
        ),
        ("10.0.0.0/8", "10.0.0.0/8 has 16,777,216 addresses; a VPC has 65,536 (/16) at most"),
        ("10.0.0.1/16", '"10.0.0.1/16" is not a network address'),
        ("10.0.0.0", '"10.0.0.0" is not a network address'),
        ("ten", '"ten" is not a valid CIDR block'),
    ],
)
def test_cidr_block_that_cannot_be_divided_is_refused_with_the_reason(cidr: str, fact: str) -> None:
    problem = cidr_problem(cidr)

    assert problem
    assert problem[0].startswith(fact)


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.0.0/22"])
def test_largest_and_smallest_cidr_block_are_accepted(cidr: str) -> None:
    assert cidr_problem(cidr) is None


def test_overlapping_cidr_blocks_are_both_named() -> None:
    problem = overlap_problem("10.0.0.0/16", "10.0.64.0/20")

    assert problem
    assert "10.0.64.0/20 overlaps 10.0.0.0/16" in problem[0]
    assert overlap_problem("10.0.0.0/16", "10.1.0.0/16") is None


@pytest.mark.parametrize(
    ("named", "fact"),
    [
        (["us-east-1a", "us-west-2a"], '"us-west-2a" is not in us-east-1'),
        (["us-east-1a", "us-east-1-bos-1a"], '"us-east-1-bos-1a" is not in us-east-1'),
        (["us-east-1a", "us-east-1"], '"us-east-1" is not in us-east-1'),
        (["us-east-1a", "us-east-1a"], "us-east-1a is named twice"),
        (["us-east-1a"], "1 of the 2 zones it takes to survive the loss of one: us-east-1a"),
        ([], "0 of the 2 zones it takes to survive the loss of one: none"),
    ],
)
def test_invalid_zones_are_refused(named: list[str], fact: str) -> None:
    assert [fact for fact, _ in zone_problems(named, "us-east-1")] == [fact]


def test_two_zones_are_accepted() -> None:
    assert list(zone_problems(zones("ab"), "us-east-1")) == []
