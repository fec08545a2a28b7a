"""Instances that an Auto Scaling group launches and terminates. Pure.

The group balances its zones (Amazon EC2 Auto Scaling user guide, "Distribute instances across Availability Zones") and
launches the first of its instance types with capacity (allocation strategy `prioritized`, which EKS sets). It
terminates instances by the policies that EKS sets: OldestLaunchTemplate, then OldestInstance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """An instance.

    Args:
        id: ID of the instance.
        zone: Zone of the instance.
        age: Order of launch; the oldest instance has the lowest number.
        current: Whether the instance has the group's current launch template version.
    """

    id: str
    zone: str
    age: int
    current: bool = True


@dataclass(frozen=True)
class Launch:
    """An instance to launch.

    Args:
        zone: Zone of the instance.
        instance_type: Type of the instance.
    """

    zone: str
    instance_type: str


def zones_to_fill(zones: Sequence[str], machines: Sequence[Machine], count: int) -> list[str]:
    """Choose the zone of each new instance: the zone with the fewest instances; of equals, the first.

    Args:
        zones: Available zones, in the order of the group's subnets.
        machines: Running and booting instances.
        count: Number of new instances.
    """
    held = Counter(machine.zone for machine in machines)
    chosen = []
    for _ in range(count if zones else 0):
        zone = min(zones, key=lambda each: held[each])
        held[zone] += 1
        chosen.append(zone)
    return chosen


def launches(zones: Sequence[str], types: Sequence[str], has: Callable[[str, str], bool]) -> list[Launch]:
    """Return the launches for zones, each with the first instance type that has capacity there; none if no type has.

    Args:
        zones: Zone of each new instance.
        types: Instance types in order of preference.
        has: Returns whether a zone offers an instance type and has capacity for it.
    """
    found = ((zone, next((name for name in types if has(zone, name)), None)) for zone in zones)
    return [Launch(zone, name) for zone, name in found if name]


def surplus(machines: Sequence[Machine], count: int) -> list[Machine]:
    """Choose instances to terminate: from the fullest zone, old launch template versions first, then the oldest."""
    left, gone = list(machines), list[Machine]()
    for _ in range(min(count, len(left))):
        held = Counter(machine.zone for machine in left)
        victim = min(left, key=lambda each: (-held[each.zone], each.current, each.age))
        left.remove(victim)
        gone.append(victim)
    return gone


def uneven(zones: Sequence[str], machines: Sequence[Machine]) -> bool:
    """Return whether an available zone has at least two instances fewer than another; the group then rebalances."""
    held = Counter(machine.zone for machine in machines)
    return bool(zones) and max(held.values(), default=0) - min(held[zone] for zone in zones) > 1
