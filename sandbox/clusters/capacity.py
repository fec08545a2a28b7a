"""Where an Auto Scaling group launches, and what it gives up. Pure.

It keeps its zones level ("Distribute instances across Availability Zones", Amazon EC2 Auto Scaling user guide), and
takes the first instance type in the group's order that has capacity (allocation strategy `prioritized`, as EKS has it).
It gives up by the termination policies that EKS sets: OldestLaunchTemplate, then OldestInstance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """An instance.

    Args:
        id: Its id.
        zone: Where it is.
        age: Which came first: the lower is the older.
        current: Whether it was launched from the version of the template that the group has now.
    """

    id: str
    zone: str
    age: int
    current: bool = True


@dataclass(frozen=True)
class Launch:
    """An instance to be launched."""

    zone: str
    instance_type: str


def zones_to_fill(zones: Sequence[str], machines: Sequence[Machine], count: int) -> list[str]:
    """Zones for the next instances: each time the one with the fewest, the first of equals.

    Args:
        zones: Those that can be launched into, in the order of the group's subnets.
        machines: What runs or boots.
        count: How many are to come.
    """
    held = Counter(machine.zone for machine in machines)
    chosen = []
    for _ in range(count if zones else 0):
        zone = min(zones, key=lambda each: held[each])
        held[zone] += 1
        chosen.append(zone)
    return chosen


def launches(zones: Sequence[str], types: Sequence[str], has: Callable[[str], bool]) -> list[Launch]:
    """What is launched into these zones: nothing where no type has capacity."""
    found = next((name for name in types if has(name)), None)
    return [Launch(zone, found) for zone in zones] if found else []


def surplus(machines: Sequence[Machine], count: int) -> list[Machine]:
    """Which go first: of the zone with the most, there of an old template, and then the oldest."""
    left, gone = list(machines), list[Machine]()
    for _ in range(min(count, len(left))):
        held = Counter(machine.zone for machine in left)
        victim = min(left, key=lambda each: (-held[each.zone], each.current, each.age))
        left.remove(victim)
        gone.append(victim)
    return gone


def uneven(zones: Sequence[str], machines: Sequence[Machine]) -> bool:
    """Whether a zone that can be launched into has two fewer than another one: then the group rebalances."""
    held = Counter(machine.zone for machine in machines)
    return bool(zones) and max(held.values(), default=0) - min(held[zone] for zone in zones) > 1
