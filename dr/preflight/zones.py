"""Check of a region's zones: they exist in the account, EKS accepts them, and EC2 offers the instance types there.

A zone's letter stands for different zones in different accounts; its zone ID is the same in all (EC2 user guide,
"Availability Zone IDs"). EKS does not place a control plane in some zones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dr.clients import calls, client
from dr.findings import Finding, Status
from dr.preflight.check import Subject
from dr.topology.capacity import SYSTEM_TYPES
from dr.topology.topology import Topology

EXCLUDED_BY_EKS = ("use1-az3", "usw1-az2", "cac1-az3")
"""Zone IDs that the subnets of a cluster cannot be in (EKS user guide, "Subnet requirements for clusters")."""


def look(subject: Subject) -> Iterator[Finding]:
    """Check the zones of the stack's region.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: EC2 refused the request.
        Unreachable: The region does not answer.
    """
    topology = subject.topology
    types = [*topology.workload.gpu_types, *SYSTEM_TYPES]
    with calls("zones", subject.region):
        ec2 = client("ec2", subject.region)
        zones = {each["ZoneName"]: each for each in ec2.describe_availability_zones()["AvailabilityZones"]}
        pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": types}]
        )
        offered = [(each["Location"], each["InstanceType"]) for page in pages for each in page["InstanceTypeOfferings"]]
    yield from judge(topology, zones, {zone: [kind for at, kind in offered if at == zone] for zone in zones})


def judge(
    topology: Topology, zones: Mapping[str, Mapping[str, Any]], offered: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Judge the zones of the stack's region. Pure.

    Args:
        topology: The topology to deploy.
        zones: The account's zones by name, as EC2 describes them.
        offered: Instance types that each zone offers, of those that the topology uses.
    """
    key, usable = f"dr:{topology.role}Zones", [name for name in zones if not _unusable(topology, zones[name])]
    for zone in topology.here.zones:
        if zone not in zones:
            fact = f"{zone} is not a zone of account {topology.account}"
            yield Finding(f"zone {zone}", Status.MISSED, fact, f"set {key} to zones of {', '.join(usable)}")
            continue
        named = f"zone {zone} ({zones[zone]['ZoneId']})"
        if reason := _unusable(topology, zones[zone]):
            yield Finding(named, Status.MISSED, reason, f"set {key} to zones of {', '.join(usable)}")
            continue
        yield from _types(topology, named, zone, offered, key)


def _unusable(topology: Topology, zone: Mapping[str, Any]) -> str:
    """Return why a zone cannot be used; "" if it can."""
    if zone["ZoneId"] in EXCLUDED_BY_EKS and not topology.existing_cluster:
        return "EKS does not place a control plane in this zone"
    if zone.get("ZoneType", "availability-zone") != "availability-zone":
        return f"is a {zone['ZoneType']}, and not an Availability Zone"
    return "" if zone["State"] == "available" else f"is {zone['State']}"


def _types(
    topology: Topology, named: str, zone: str, offered: Mapping[str, Sequence[str]], key: str
) -> Iterator[Finding]:
    """Judge the instance types of a zone: one of each list must be offered, and the first where it is reserved."""
    gpu_types = topology.workload.gpu_types
    lacking = [kind for kind in gpu_types if kind not in offered[zone]]
    others = [name for name, kinds in offered.items() if set(kinds) & set(gpu_types)]
    if len(lacking) == len(gpu_types):
        fact = f"EC2 offers none of {', '.join(gpu_types)} there"
        remedy = f"add a type to dr:gpuInstanceTypes, or set {key} to zones of {', '.join(others) or 'another region'}"
        yield Finding(named, Status.MISSED, fact, remedy)
    elif lacking and gpu_types[0] in lacking and zone in topology.reserved_zones:
        fact = f"EC2 does not offer {gpu_types[0]} there, of which dr:reservedGpuNodes reserves capacity"
        yield Finding(named, Status.MISSED, fact, "put a type that each zone offers first in dr:gpuInstanceTypes")
    elif not topology.existing_cluster and not set(SYSTEM_TYPES) & set(offered[zone]):
        fact = f"EC2 offers none of {', '.join(SYSTEM_TYPES)} there, the types of system nodes"
        yield Finding(named, Status.MISSED, fact, f"set {key} to other zones")
    elif lacking:
        yield Finding(named, Status.MET, f"usable, without {', '.join(lacking)}, which EC2 does not offer there")
    else:
        yield Finding(named, Status.MET, "usable")
