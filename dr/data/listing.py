"""`dr sets list`: the versions of model sets, and whether each region holds them, by version and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from dr.clients import Missing, Unreachable
from dr.data import model_sets
from dr.data.model_sets import Manifest
from dr.data.regions import Place, places, read_versions
from dr.errors import Exit, Invalid, Problem
from dr.topology.topology import Role, Topology

WORKERS = 8


@dataclass(frozen=True)
class Held:
    """What a region holds of a version.

    Args:
        region: The region.
        missing: Number of objects that it lacks; None if that is unknown.
        reason: Why it is unknown; empty if it is known.
    """

    region: str
    missing: int | None
    reason: str = ""


@dataclass(frozen=True)
class Listed:
    """A version of a model set.

    Args:
        name: Name of the set.
        set_id: ID of the version.
        manifest: Its manifest; None if no region gives one.
        held: What each region holds.
    """

    name: str
    set_id: str
    manifest: Manifest | None
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Listing:
    """Result of the command.

    Args:
        versions: Versions of each set, newest first.
        left_out: Number of older versions that are not listed.
        silent: Regions that do not answer, with the reason.
    """

    versions: tuple[Listed, ...]
    left_out: int
    silent: tuple[Problem, ...]

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command."""
        unknown = any(held.missing is None for each in self.versions for held in each.held)
        return Exit.UNKNOWN if self.silent or unknown else Exit.OK


def run(topology: Topology, name: str = "", newest: int = 0) -> Listing:
    """List model sets.

    Args:
        topology: The topology.
        name: Name of the set; empty for every set.
        newest: Number of versions of each set to list; 0 for all.

    Raises:
        Refused: No stack is deployed.
        Failed: S3 refused a request.
    """
    here = places(topology)
    silent = dict[Role, Problem]()
    wanted = {name} if name else set(chain.from_iterable(_names(place, silent) for place in here.values()))
    chosen, left_out = list[tuple[str, str]](), 0
    for each in sorted(wanted or {topology.serving.model_set}):
        listed = read_versions(here, each)
        silent |= {role: versions.unknown for role, versions in listed.items() if versions.unknown}
        ids = sorted({found for versions in listed.values() for found in versions.ids}, reverse=True)
        shown = ids[: newest or None]
        chosen += [(each, set_id) for set_id in shown]
        left_out += len(ids) - len(shown)
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        rows = tuple(pool.map(lambda pair: _row(here, silent, *pair), chosen))
    return Listing(rows, left_out, tuple(silent.values()))


def _names(place: Place, silent: dict[Role, Problem]) -> list[str]:
    try:
        return model_sets.names(place.region, place.buckets)
    except Unreachable as error:
        silent[place.role] = error.problems[0]
    except Missing:
        pass
    return []


def _row(here: Mapping[Role, Place], silent: Mapping[Role, Problem], name: str, set_id: str) -> Listed:
    found: Manifest | None = None
    asked: list[tuple[Place, Callable[[Manifest], Held]]] = []
    for role, place in here.items():
        if problem := silent.get(role):
            asked.append((place, _unknown(place, problem.fact)))
            continue
        try:
            manifest = model_sets.read(place.region, place.buckets, name, set_id)
            found = found or manifest
            asked.append((place, _measure(place, extra=0)))
        except Missing:
            asked.append((place, _measure(place, extra=1)))
        except (Unreachable, Invalid) as error:
            asked.append((place, _unknown(place, error.problems[0].fact)))
    if found is None:
        held = tuple(Held(place.region, None, "the manifest cannot be read") for place, _ in asked)
    else:
        held = tuple(measure(found) for _, measure in asked)
    return Listed(name, set_id, found, held)


def _unknown(place: Place, reason: str) -> Callable[[Manifest], Held]:
    return lambda manifest: Held(place.region, None, reason)


def _measure(place: Place, extra: int) -> Callable[[Manifest], Held]:
    """Return what counts the missing objects of a manifest, and `extra` for the manifest itself."""

    def measure(manifest: Manifest) -> Held:
        gone = extra
        for pair in dict.fromkeys(entry.pair for entry in manifest.entries):
            try:
                gone += len(model_sets.absent(place.region, pair, place.buckets[pair], manifest))
            except Unreachable as error:
                return Held(place.region, None, error.problems[0].fact)
            except Missing:
                gone += sum(entry.pair == pair for entry in manifest.entries)
        return Held(place.region, gone)

    return measure
