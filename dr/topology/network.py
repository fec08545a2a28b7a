"""A region's network: the CIDR block of each subnet, and the problems of a block or of zones. Pure.

A block is cut into eight: the first seven are the private subnets of zones a to g, the eighth is cut into eight again,
of which the first seven are their public subnets. A zone's blocks depend on its letter alone, so that adding or taking
away a zone never moves another. Of a /16: 8,192 addresses a zone for nodes and pods, 1,024 for load balancers and NAT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

ZONE_LETTERS = "abcdefg"
"""No region of AWS has more zones."""
CUT_BITS = 3
"""Eight parts a cut: seven zones and one more."""
LARGEST_VPC, SMALLEST_SUBNET = 16, 28
"""Prefixes, VPC user guide: "VPC CIDR blocks" and "Subnet sizing"."""
SMALLEST_VPC = SMALLEST_SUBNET - 2 * CUT_BITS
FEWEST_ZONES = 2
"""EKS asks for subnets in two zones at least (EKS user guide, "Subnet requirements for clusters")."""

ENDPOINTS = {
    "autoscaling": "the cluster autoscaler resizes node groups",
    "ec2": "nodes and the VPC CNI describe their instances",
    "ecr.api": "nodes log in to the registry",
    "ecr.dkr": "nodes pull images; their layers come through the S3 endpoint",
    "eks": "nodes describe their cluster",
    "eks-auth": "pods get the credentials of their Pod Identity",
    "elasticloadbalancing": "the load balancer controller registers pods",
    "kms": "volumes and secrets are decrypted",
    "logs": "pods and the control plane write their logs",
    "monitoring": "metrics are published, levers included",
    "sts": "roles are assumed",
}
"""Services that a cluster without internet access calls, and their use (EKS user guide, "Deploy private clusters with
limited internet access"). Each endpoint is charged; only the S3 gateway endpoint is free."""


@dataclass(frozen=True)
class ZoneBlocks:
    """A zone's share of a network.

    Args:
        zone: The zone: "us-east-1a".
        public: Block of its public subnet: load balancers and NAT gateways.
        private: Block of its private subnet: nodes and pods.
    """

    zone: str
    public: str
    private: str

    @property
    def letter(self) -> str:
        """The letter of the zone in its region: "a"."""
        return self.zone[-1]


def zone_blocks(cidr: str, zones: Sequence[str]) -> list[ZoneBlocks]:
    """Return the subnets of each zone in a CIDR block."""
    parts = list(IPv4Network(cidr).subnets(CUT_BITS))
    public = list(parts[-1].subnets(CUT_BITS))
    places = [(zone, ZONE_LETTERS.index(zone[-1])) for zone in zones]
    return [ZoneBlocks(zone, str(public[place]), str(parts[place])) for zone, place in places]


def cidr_problem(cidr: str) -> tuple[str, str] | None:
    """Return the problem of a VPC's CIDR block and its remedy, or None."""
    try:
        block = IPv4Network(cidr, strict=False)
    except ValueError:
        return f'"{cidr}" is not a valid CIDR block', "use a block such as 10.0.0.0/16"
    if cidr != str(block):
        return f'"{cidr}" is not a network address', f"use {block}"
    if block.prefixlen < LARGEST_VPC:
        return f"{block} has {block.num_addresses:,} addresses; a VPC has 65,536 (/16) at most", "use a /16"
    if block.prefixlen > SMALLEST_VPC:
        share = block.num_addresses // 4**CUT_BITS
        return (
            f"{block} is too small: {block.num_addresses:,} addresses / 8 / 8 leave {share} for a public subnet, and "
            f"AWS's smallest (/{SMALLEST_SUBNET}) has {2 ** (32 - SMALLEST_SUBNET)}",
            f"use a /{SMALLEST_VPC} or larger; a /16 leaves room for pods, which take an address each",
        )
    return None


def overlap_problem(one: str, other: str) -> tuple[str, str] | None:
    """Return the problem of two valid blocks that overlap and its remedy, or None."""
    if not IPv4Network(one).overlaps(IPv4Network(other)):
        return None
    return f"{other} overlaps {one}; networks that overlap can never be connected", "use two apart, such as 10.1.0.0/16"


def zone_problems(zones: Sequence[str], region: str) -> Iterator[tuple[str, str]]:
    """Return the problems of a region's zones, each with its remedy."""
    example = ", ".join(f"{region}{letter}" for letter in ZONE_LETTERS[:3])
    if others := [zone for zone in zones if zone[:-1] != region or zone[-1:] not in ZONE_LETTERS]:
        quoted = ", ".join(f'"{zone}"' for zone in others)
        yield f"{quoted} {'is' if len(others) == 1 else 'are'} not in {region}", f"use its zones, such as {example}"
    if twice := sorted({zone for zone in zones if zones.count(zone) > 1}):
        yield f"{', '.join(twice)} is named twice", "name each zone once"
    elif len(zones) < FEWEST_ZONES:
        named = ", ".join(zones) or "none"
        fact = f"{len(zones)} of the {FEWEST_ZONES} zones it takes to survive the loss of one: {named}"
        yield fact, f"name {FEWEST_ZONES} or more, such as {example}"
