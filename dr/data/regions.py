"""The buckets of each region, and the versions of a model set that each region lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dr.clients import Missing, Unreachable
from dr.data import model_sets
from dr.errors import Invalid, Problem, Refused
from dr.names import REGISTRY
from dr.spelling import did_you_mean
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class Place:
    """A region and its buckets.

    Args:
        role: Role of the region.
        region: The region.
        buckets: Names of its buckets by pair.
    """

    role: Role
    region: str
    buckets: Mapping[str, str]


@dataclass(frozen=True)
class Versions:
    """Versions of a model set that a region lists.

    Args:
        ids: Their IDs, newest first.
        unknown: Why they could not be listed; None if they were.
        absent: Whether the region has no registry bucket.
    """

    ids: tuple[str, ...] = ()
    unknown: Problem | None = None
    absent: bool = False


def places(topology: Topology) -> dict[Role, Place]:
    """Return both regions with their buckets, from the configuration. Pure."""
    return {
        role: Place(
            role, topology.site(role).region, {pair.name: topology.bucket(pair, role) for pair in topology.pairs}
        )
        for role in Role
    }


def place_of(topology: Topology, region: str = "") -> Place:
    """Return a region by its name; without one, the primary region. Pure.

    Raises:
        Invalid: It is neither region.
    """
    found = places(topology)
    for place in found.values():
        if place.region == (region or found[Role.PRIMARY].region):
            return place
    known = [place.region for place in found.values()]
    fix = did_you_mean(region, known, f"use {' or '.join(known)}")
    raise Invalid(Problem("--region", f"{region} is neither region of this deployment", fix))


def pair_of(topology: Topology, region: str) -> tuple[Place, Place]:
    """Return a region by its name, and the other one. Pure. Raises as `place_of`."""
    place = place_of(topology, region)
    return place, next(each for each in places(topology).values() if each.role is not place.role)


def place_of_bucket(topology: Topology, bucket: str) -> Place:
    """Return the region of a bucket of this deployment. Pure.

    Raises:
        Invalid: It is not a bucket of this deployment.
    """
    found = {name: place for place in places(topology).values() for name in place.buckets.values()}
    if place := found.get(bucket):
        return place
    fix = did_you_mean(bucket, found, f"use one of {', '.join(found)}")
    raise Invalid(Problem("--bucket", f"{bucket} is not a bucket of this deployment", fix))


def unknown_version(name: str, set_id: str, known: Sequence[str]) -> Invalid:
    """Return the error of a version that no region lists. Pure.

    Args:
        name: Name of the model set.
        set_id: ID of the version.
        known: IDs of its versions, newest first.
    """
    hint = f"the newest are {', '.join(known[:3])}" if known else "`dr sets list` shows every version"
    return Invalid(Problem(set_id, f"model set {name} has no such version", did_you_mean(set_id, known, hint)))


def read_versions(here: Mapping[Role, Place], name: str) -> dict[Role, Versions]:
    """List the versions of a model set in both regions.

    Raises:
        Refused: Neither region has a registry bucket.
        Failed: S3 refused a listing.
    """
    with ThreadPoolExecutor(max_workers=len(Role)) as pool:
        found = dict(zip(Role, pool.map(lambda role: _read_versions(here[role], name), Role), strict=True))
    if all(each.absent for each in found.values()):
        buckets = " and ".join(here[role].buckets[REGISTRY] for role in Role)
        remedy = "run `pulumi up -s primary`; if it is deployed, check dr:bucketPrefix, the regions and the account"
        raise Refused(Problem("the primary stack", f"not deployed: {buckets} do not exist", remedy))
    return found


def _read_versions(place: Place, name: str) -> Versions:
    try:
        return Versions(tuple(model_sets.versions(place.region, place.buckets, name)))
    except Unreachable as error:
        return Versions(unknown=error.problems[0])
    except Missing:
        return Versions(absent=True)
