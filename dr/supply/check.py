"""`dr supply check`: what each region's registry lacks, measured in that registry only."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dr.clients import Missing, Unreachable
from dr.errors import Exit
from dr.supply.catalog import needed
from dr.supply.items import Item, items
from dr.supply.lock import read
from dr.supply.region_registry import Held, RegionRegistry
from dr.topology.supply import repository
from dr.topology.topology import Role, Topology


class Lack(StrEnum):
    """Why an item cannot be used."""

    UNRESOLVED = "not resolved"
    """The lock file has no digest of it."""
    MISSING = "missing"
    """The registry lacks it."""
    OTHER = "other digest"
    """The registry has another image with its tag."""


@dataclass(frozen=True)
class RegionSupply:
    """State of a region's registry.

    Args:
        role: Role of the region.
        region: The region.
        held: Number of items that it holds.
        lacks: Items that it lacks, with the reason.
        unknown: Why it could not be read; "" if it was.
        absent: The repository that does not exist; "" if all exist.
    """

    role: Role
    region: str
    held: int
    lacks: tuple[tuple[Item, Lack], ...] = ()
    unknown: str = ""
    absent: str = ""


def run(topology: Topology, folder: Path) -> list[RegionSupply]:
    """Compare the registries of both regions with the lock file.

    Args:
        topology: The topology.
        folder: The folder of Pulumi.yaml.

    Raises:
        Invalid: The lock file is not valid.
        Failed: ECR refused a request.
    """
    wanted = items(needed(topology), read(folder))
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda role: of_region(topology, role, wanted), Role))


def of_region(topology: Topology, role: Role, wanted: list[Item]) -> RegionSupply:
    """Compare the registry of one region with what it must hold.

    Raises:
        Failed: ECR refused a request.
    """
    region = topology.site(role).region
    try:
        held = RegionRegistry(topology.account, region, topology.bucket_prefix).held()
    except Unreachable as error:
        return RegionSupply(role, region, 0, unknown=error.problems[0].fact)
    except Missing as error:
        return RegionSupply(role, region, 0, absent=error.problems[0].subject.removeprefix("repository "))
    lacks = [(item, lack) for item in wanted if (lack := lacking(item, held))]
    return RegionSupply(role, region, len(wanted) - len(lacks), tuple(lacks))


def lacking(item: Item, held: Held) -> Lack | None:
    """Return why a registry cannot provide an item; None if it can."""
    if not item.digest:
        return Lack.UNRESOLVED
    if item.digest in held.digests[item.kind]:
        return None
    return Lack.OTHER if item.tag in held.tags[item.kind] else Lack.MISSING


def exit_code(found: Sequence[RegionSupply]) -> Exit:
    """Return the exit code of the command: a lack counts more than a region that could not be read."""
    if any(each.lacks or each.absent for each in found):
        return Exit.FAILED
    return Exit.UNKNOWN if any(each.unknown for each in found) else Exit.OK


def reason(item: Item, lack: Lack, prefix: str) -> str:
    """Return a lack as text."""
    place = repository(prefix, item.kind)
    return {
        Lack.UNRESOLVED: f"{item.name} has no digest in the lock file",
        Lack.MISSING: f"{item.name} is not in {place}",
        Lack.OTHER: f"tag {item.tag} of {place} is not {item.digest}",
    }[lack]
