"""Compare what AWS Backup restored with what was backed up.

Objects are compared with the versions of a bucket that has them too: the replica of the source in the same region. It
keeps the time at which each version was created (S3 user guide, "What does Amazon S3 replicate?").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dr.clients import Unreachable, calls, client
from dr.data import hashes, parallel, versions
from dr.data.recovery_points import Point
from dr.data.versions import State, Version

WORKERS = 16
EXAMPLES = 3
SECOND = timedelta(seconds=1)
"""S3 stores times in whole seconds."""


@dataclass
class Comparison:
    """The result of a comparison of objects.

    Args:
        objects: Number of restored objects.
        bytes: Their size.
        equal: Number of those with the hash of the expected version.
        unread: Number of those of which only the size was compared.
        uncertain: Number of keys that were written while the backup ran; they are not compared.
        since: Number of keys that were written after the backup.
        undecided: Number of keys that only one of both has, while the source's region does not answer.
        wrong: Examples of objects that are missing, differ, or were not expected.
        faults: Number of them.
    """

    objects: int = 0
    bytes: int = 0
    equal: int = 0
    unread: int = 0
    uncertain: int = 0
    since: int = 0
    undecided: int = 0
    faults: int = 0
    wrong: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Count a fault."""
        self.faults += 1
        if len(self.wrong) < EXAMPLES:
            self.wrong.append(text)

    @property
    def text(self) -> str:
        """The result as text."""
        found = f"{self.objects:,} objects, {self.bytes:,} bytes, {self.equal:,} with equal hashes"
        found += f", {self.unread:,} by size only" if self.unread else ""
        found += f"; {self.undecided:,} keys are undecided without the source" if self.undecided else ""
        found += f"; {self.since:,} keys were written after the backup" if self.since else ""
        return found + (f"; {self.faults:,} faults: {'; '.join(self.wrong)}" if self.faults else "")


@dataclass(frozen=True)
class Expected:
    """What a key is to be.

    Args:
        key: The key.
        version_id: Its version in the compared bucket; "" if it was written during the backup.
        size: Its size.
    """

    key: str
    version_id: str
    size: int = 0


def expected(states: Iterable[State], created: datetime, ended: datetime, found: Comparison) -> Iterator[Expected]:
    """Yield the objects that a backup has to hold, by the versions of a bucket. Pure.

    Args:
        states: Keys with their versions when the backup started (`versions.states`).
        created: When the backup started.
        ended: When it was complete.
        found: Counts what was written during the backup and after it.
    """
    for each in states:
        during = each.newer is not None and each.newer.written <= ended + SECOND
        if during or each.uncertain or (each.then and each.then.written >= created - SECOND):
            found.uncertain += 1
            yield Expected(each.key, "")
            continue
        found.since += each.newer is not None
        if each.then is not None and each.then.size is not None:
            yield Expected(each.key, each.then.version_id, each.then.size)


def compare_objects(point: Point, restored: str, replica: str, home: str, most: int | None = None) -> Comparison:
    """Compare a restored bucket with the replica of its source, by hashes.

    A deletion in the source is not replicated everywhere, so of keys that only one of both has, the source decides.

    Args:
        point: The recovery point.
        restored: The restored bucket, in the region of the recovery point.
        replica: The replica of the source in that region.
        home: Region of the source.
        most: Bytes that are read at most; the sizes of further objects are compared. None: all are read.

    Raises:
        Missing: A bucket does not exist.
        Unreachable: The region does not answer.
    """
    region, found = point.region, Comparison()
    left = {each.key: each for each in versions.stream(region, restored, "") if each.latest and each.is_object}
    found.objects, found.bytes = len(left), sum(each.size or 0 for each in left.values())
    states = versions.states(versions.stream(region, replica, ""), point.created)
    budget, pairs, odd = most, list[tuple[Expected, str]](), dict[str, Version | None]()
    for wanted in expected(states, point.created, point.ended, found):
        there = left.pop(wanted.key, None)
        if not wanted.version_id:
            continue
        if there is None:
            odd[wanted.key] = None
        elif there.size != wanted.size:
            found.fault(f"{wanted.key} has {there.size} bytes, not {wanted.size}")
        elif budget is not None and wanted.size > budget:
            found.unread += 1
        else:
            budget = None if budget is None else budget - wanted.size
            pairs.append((wanted, there.version_id))
    _hash(found, region, (restored, replica), pairs)
    _ask_source(found, point, home, odd | left)
    return found


def _hash(found: Comparison, region: str, buckets: tuple[str, str], pairs: Iterable[tuple[Expected, str]]) -> None:
    restored, replica = buckets

    def equal(pair: tuple[Expected, str]) -> tuple[str, bool]:
        wanted, version = pair
        one = hashes.hash_object(region, restored, wanted.key, version)
        return wanted.key, one == hashes.hash_object(region, replica, wanted.key, wanted.version_id)

    for key, same in parallel.each(pairs, equal, WORKERS):
        if same:
            found.equal += 1
        else:
            found.fault(f"{key} has other bytes")


def _ask_source(found: Comparison, point: Point, home: str, odd: Mapping[str, Version | None]) -> None:
    """Judge keys that only the restored bucket or only the replica has."""

    def then(key: str) -> tuple[str, Version | None, bool]:
        try:
            states = versions.states(versions.stream(home, point.name, key), point.created)
            return key, next((each.then for each in states if each.key == key), None), True
        except Unreachable:
            return key, None, False

    for key, source, known in parallel.each(odd, then, WORKERS):
        there = odd[key]
        existed = source is not None and source.is_object
        if not known:
            found.undecided += 1
        elif there is None and existed:
            found.fault(f"{key} is missing")
        elif there is not None and not existed:
            found.fault(f"{key} was not in {point.name} at that time")
        elif there is not None and source is not None and there.size != source.size:
            found.fault(f"{key} has {there.size} bytes, not {source.size}")
        elif there is not None:
            found.unread += 1


@dataclass(frozen=True)
class Volume:
    """A restored volume.

    Args:
        id: Its ID.
        state: "available" if it can be attached.
        zone: Its zone.
        gib: Its size in GiB.
        encrypted: Whether it is encrypted.
        snapshot: ID of the snapshot that it was created from.
        tags: Its tags.
    """

    id: str
    state: str
    zone: str
    gib: int
    encrypted: bool
    snapshot: str
    tags: Mapping[str, str] = field(default_factory=dict)


def read_volume(region: str, volume: str) -> Volume:
    """Return a volume.

    Raises:
        Missing: It does not exist.
        Unreachable: The region does not answer.
    """
    with calls(f"volume {volume}", region):
        (found,) = client("ec2", region).describe_volumes(VolumeIds=[volume])["Volumes"]
    return volume_of(found)


def volume_of(found: Mapping[str, Any]) -> Volume:
    """Return a volume from EC2's description of it. Pure."""
    tags = {each["Key"]: each["Value"] for each in found.get("Tags", ())}
    zone, snapshot = found["AvailabilityZone"], found.get("SnapshotId", "")
    return Volume(found["VolumeId"], found["State"], zone, found["Size"], found["Encrypted"], snapshot, tags)


def volume_faults(volume: Volume, snapshot: str, size: int, tags: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a restored volume. Pure.

    Args:
        volume: The volume.
        snapshot: ID of the snapshot of the recovery point.
        size: Size of the recovery point in bytes; 0 if it is unknown.
        tags: Tags that it has to have.
    """
    found = []
    if volume.state != "available":
        found.append(f"its state is {volume.state}, not available")
    if volume.snapshot != snapshot:
        found.append(f"it was created from {volume.snapshot or 'no snapshot'}, not {snapshot}")
    if not volume.encrypted:
        found.append("it is not encrypted")
    if size and volume.gib << 30 < size:
        found.append(f"it has {volume.gib} GiB, and the backup {size / (1 << 30):.0f} GiB")
    found += [
        f"its tag {key} is {volume.tags.get(key)!r}, not {value!r}"
        for key, value in tags.items()
        if volume.tags.get(key) != value
    ]
    return found
