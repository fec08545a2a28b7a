"""`dr sets verify`: the newest version of a model set that each region can recover, and what it lacks of newer ones.

Each region is measured by itself. The other region only adds manifests that have not arrived, and what it holds of a
missing object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dr.clients import Missing, Unreachable, calls, client
from dr.data import model_sets
from dr.data.copies import Copy, check
from dr.data.model_sets import Manifest, manifest_key
from dr.data.regions import Place, Versions, places, read_versions, unknown_version
from dr.errors import Exit, Failed, Invalid, Problem
from dr.names import REGISTRY
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class Lack:
    """An object that a region lacks.

    Args:
        set_id: ID of the version that lists it.
        bucket: The region's bucket.
        key: Its key.
        version_id: Its version ID.
        why: Why the region cannot recover it.
    """

    set_id: str
    bucket: str
    key: str
    version_id: str
    why: str


@dataclass(frozen=True)
class RegionSets:
    """What a region can recover.

    Args:
        role: Role of the region.
        region: The region.
        newest: ID of the newest version that either region lists; empty without one.
        newest_recoverable: ID of the newest version that this region holds whole; None if none was found.
        missing: What it lacks of the versions that are newer than that.
        unknown: What could not be measured.
        objects: Number of objects that were compared.
        objects_read: Number of those that were read, because S3 has no usable checksum of them.
        bytes_read: Bytes that were read.
    """

    role: Role
    region: str
    newest: str
    newest_recoverable: str | None = None
    missing: tuple[Lack, ...] = ()
    unknown: tuple[Problem, ...] = ()
    objects: int = 0
    objects_read: int = 0
    bytes_read: int = 0


@dataclass(frozen=True)
class Verified:
    """Result of the command.

    Args:
        name: Name of the model set.
        regions: What each region can recover.
    """

    name: str
    regions: tuple[RegionSets, ...]

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command: a missing object counts more than one that could not be measured."""
        if any(each.missing for each in self.regions):
            return Exit.FAILED
        return Exit.UNKNOWN if any(each.unknown for each in self.regions) else Exit.OK


def run(
    topology: Topology, name: str, set_id: str = "", report: model_sets.Report = lambda text, share: None
) -> Verified:
    """Verify a model set in both regions.

    Args:
        topology: The topology.
        name: Name of the model set.
        set_id: ID of the version to verify; empty for the newest ones, up to the first that is recoverable.
        report: Receives the progress.

    Raises:
        Invalid: The version does not exist.
        Refused: No stack is deployed.
        Failed: The set has no version, or S3 refused a listing.
    """
    here = places(topology)
    listed = read_versions(here, name)
    found = sorted({each for versions in listed.values() for each in versions.ids}, reverse=True)
    silent = [versions.unknown for versions in listed.values() if versions.unknown]
    if set_id and set_id not in found and not silent:
        raise unknown_version(name, set_id, found)
    if not found and not silent:
        raise Failed(Problem(f"model set {name}", "no version is published", "`dr sets publish` publishes one"))
    wanted = [set_id] if set_id else found
    with ThreadPoolExecutor(max_workers=len(Role)) as pool:
        return Verified(name, tuple(pool.map(lambda role: _region(here, role, listed, name, wanted, report), Role)))


def _region(
    here: Mapping[Role, Place],
    role: Role,
    listed: Mapping[Role, Versions],
    name: str,
    wanted: Sequence[str],
    report: model_sets.Report,
) -> RegionSets:
    place = here[role]
    newest = wanted[0] if wanted else ""
    if problem := listed[role].unknown:
        return RegionSets(role, place.region, newest, unknown=(problem,))
    other = next(here[each] for each in Role if each is not role)
    missing, unknown, compared, recoverable = list[Lack](), list[Problem](), list[Copy](), None
    try:
        for set_id in wanted:
            report(f"comparing {set_id} in {place.region}", None)
            lacks, problems, copies = _version(place, other, name, set_id)
            compared += copies
            missing += lacks
            unknown += problems
            if not lacks and not problems:
                recoverable = set_id
                break
    except Unreachable as error:
        unknown += error.problems
    read = [each for each in compared if each.bytes_read]
    total = sum(each.bytes_read for each in read)
    counts = (len(compared), len(read), total)
    return RegionSets(role, place.region, newest, recoverable, tuple(missing), tuple(unknown), *counts)


def _version(place: Place, other: Place, name: str, set_id: str) -> tuple[list[Lack], list[Problem], list[Copy]]:
    """Return what a region lacks of a version, what could not be measured, and what was compared."""
    lacks, manifest = list[Lack](), None
    bucket, key = place.buckets[REGISTRY], manifest_key(name, set_id)
    try:
        manifest = model_sets.read(place.region, place.buckets, name, set_id)
        if why := model_sets.fault(manifest, name, set_id):
            lacks.append(Lack(set_id, bucket, key, "", why))
    except Invalid as error:
        return [Lack(set_id, bucket, key, "", error.problems[0].fact)], [], []
    except Missing:
        version, manifest = _elsewhere(other, name, set_id)
        held = f"; {other.region} holds it" if manifest else ""
        lacks.append(Lack(set_id, bucket, key, version, f"the manifest does not exist here{held}"))
    if manifest is None:
        return lacks, [], []
    copies = check(place.region, place.buckets, manifest.entries)
    for each in copies:
        if each.why:
            why = each.why if each.sha256 else f"{each.why}{_held(other, each)}"
            lacks.append(Lack(set_id, place.buckets[each.entry.pair], each.entry.key, each.entry.version_id, why))
    return lacks, [each.unknown for each in copies if each.unknown], copies


def _elsewhere(other: Place, name: str, set_id: str) -> tuple[str, Manifest | None]:
    """Return the version ID and the content of a manifest in the other region; None if it does not give one."""
    try:
        manifest = model_sets.read(other.region, other.buckets, name, set_id)
        with calls(f"s3://{other.buckets[REGISTRY]}/{manifest.key}", other.region):
            head = client("s3", other.region).head_object(Bucket=other.buckets[REGISTRY], Key=manifest.key)
    except (Failed, Invalid):
        return "", None
    return str(head["VersionId"]), manifest


def _held(other: Place, copy: Copy) -> str:
    """Return what the other region says about an object that is missing here: whether it holds it and replicates it."""
    entry, bucket = copy.entry, other.buckets[copy.entry.pair]
    try:
        with calls(f"s3://{bucket}/{entry.key}", other.region):
            head = client("s3", other.region).head_object(Bucket=bucket, Key=entry.key, VersionId=entry.version_id)
    except Missing:
        return f"; {other.region} does not hold it either"
    except Failed:
        return f"; whether {other.region} holds it is unknown"
    status = head.get("ReplicationStatus")
    return f"; {other.region} holds it" + (f", its replication is {status}" if status else ", not replicated")
