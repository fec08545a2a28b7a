"""Which instances an Auto Scaling group launches and terminates. Pure.

The group balances its zones ("Distribute instances across Availability Zones", Amazon EC2 Auto Scaling user guide), and
takes the first instance type in its order that has capacity (allocation strategy `prioritized`, which EKS sets). It
terminates by the policies that EKS sets: OldestLaunchTemplate, then OldestInstance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """An instance.

    Args:
        id: Id of the instance.
        zone: Its zone.
        age: Order of launch: the lowest is the oldest.
        current: Whether it was launched from the group's current version of the launch template.
    """

    id: str
    zone: str
    age: int
    current: bool = True


@dataclass(frozen=True)
class Launch:
    """An instance to launch."""

    zone: str
    instance_type: str


def zones_to_fill(zones: Sequence[str], machines: Sequence[Machine], count: int) -> list[str]:
    """Choose the zones of new instances: each time the zone with the fewest instances, the first of equals.

    Args:
        zones: Available zones, in the order of the group's subnets.
        machines: Instances that run or boot.
        count: Number of new instances.
    """
    held = Counter(machine.zone for machine in machines)
    chosen = []
    for _ in range(count if zones else 0):
        zone = min(zones, key=lambda each: held[each])
        held[zone] += 1
        chosen.append(zone)
    return chosen


def launches(zones: Sequence[str], types: Sequence[str], has: Callable[[str], bool]) -> list[Launch]:
    """Choose the instance types for zones; nothing is launched if no type has capacity."""
    found = next((name for name in types if has(name)), None)
    return [Launch(zone, found) for zone in zones] if found else []


def surplus(machines: Sequence[Machine], count: int) -> list[Machine]:
    """Choose instances to terminate: in the zone with the most, of an old template version, then the oldest."""
    left, gone = list(machines), list[Machine]()
    for _ in range(min(count, len(left))):
        held = Counter(machine.zone for machine in left)
        victim = min(left, key=lambda each: (-held[each.zone], each.current, each.age))
        left.remove(victim)
        gone.append(victim)
    return gone


def uneven(zones: Sequence[str], machines: Sequence[Machine]) -> bool:
    """Whether an available zone has at least two instances fewer than another, so that the group rebalances."""
    held = Counter(machine.zone for machine in machines)
    return bool(zones) and max(held.values(), default=0) - min(held[zone] for zone in zones) > 1
