"""The plan of `dr sets restore`: what a region lacks of a version, and which region holds it.

In place, objects are copied to a new version of the set: inference serves the newest version that is complete, and
object versions that were deleted cannot get their version IDs back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dr.clients import Missing, object_keys, read_object
from dr.data import hashes, model_sets
from dr.data.copies import check
from dr.data.model_sets import MANIFEST, Entry, Manifest, Report, folder, manifest_key
from dr.data.publication import new_id
from dr.data.regions import Place, unknown_version
from dr.errors import Invalid, Problem, Refused
from dr.names import REGISTRY, SETS

MARKER = "restore.json"
"""Object of an unfinished restore: `source`, the ID of the version that is restored."""
WORKERS = 8
PROBLEMS = 20


@dataclass(frozen=True)
class Wanted:
    """What to restore.

    Args:
        place: The region to restore in.
        other: The other region.
        name: Name of the set.
        set_id: ID of the version.
        to: Prefix to copy the objects to; None for a new version of the set.
        overwrite: Whether a newer version of the set, or other objects at the prefix, may be superseded.
    """

    place: Place
    other: Place
    name: str
    set_id: str
    to: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Piece:
    """An object of the set.

    Args:
        entry: Its entry in the manifest.
        source: Region that holds it; None if neither does.
        target: Key to copy it to.
        held: The copy that is already there; None without one.
        replaces: Whether another object is current there.
        problem: Why neither region holds it.
    """

    entry: Entry
    source: Place | None
    target: str
    held: Entry | None = None
    replaces: bool = False
    problem: Problem | None = None


@dataclass(frozen=True)
class SetRestore:
    """A plan, and what its execution did.

    Args:
        wanted: What to restore.
        manifest: The manifest of the version.
        pieces: Its objects.
        target_id: ID of the new version; empty if the objects go to a prefix, or if nothing is to be done.
        resumes: Whether an interrupted restore is continued.
        newer: IDs of newer versions, which the new version supersedes.
        done: Manifest of what was restored; None if the plan was not executed.
    """

    wanted: Wanted
    manifest: Manifest
    pieces: tuple[Piece, ...]
    target_id: str = ""
    resumes: bool = False
    newer: tuple[str, ...] = ()
    done: Manifest | None = None

    @property
    def to_copy(self) -> list[Piece]:
        """Objects to copy."""
        return [each for each in self.pieces if not each.held]

    @property
    def to_write(self) -> int:
        """Number of objects to write, with the manifest."""
        return len(self.to_copy) + bool(self.target_id)

    @property
    def refusal(self) -> Refused | None:
        """Why the plan cannot be executed; None if it can."""
        subject = f"{self.wanted.name} {self.wanted.set_id} in {self.wanted.place.region}"
        if lost := [each.problem for each in self.pieces if each.problem]:
            return Refused(*lost[:PROBLEMS])
        if self.wanted.overwrite:
            return None
        if self.newer:
            fact = f"{len(self.newer)} newer versions would no longer be served, the newest {self.newer[0]}"
            remedy = "add --overwrite-newer, which keeps them as older versions; or use --to PREFIX"
            return Refused(Problem(subject, fact, remedy))
        if replaced := [each.target for each in self.pieces if each.replaces]:
            fact = f"{len(replaced)} keys hold other objects, first {replaced[0]}"
            return Refused(Problem(subject, fact, "use another prefix, or add --overwrite-newer"))
        return None


def plan(wanted: Wanted, report: Report) -> SetRestore:
    """Find out what is to be done; nothing is changed.

    Raises:
        Invalid: Neither region has the version, its manifest is not valid, or the prefix cannot be used.
        Refused: The region has no registry bucket.
        Unreachable: The region does not answer; or the other one, which alone holds what is needed.
    """
    if wanted.to is not None and (not wanted.to or wanted.to.startswith(SETS)):
        remedy = "use another prefix, or leave it out to restore a new version"
        raise Invalid(Problem("--to", f"'{wanted.to}' is where versions of sets are", remedy))
    manifest, here = _manifest(wanted)
    listed = _ids(wanted)
    newer = tuple(each for each in listed if each > wanted.set_id)
    report(f"comparing {len(manifest.entries):,} objects", None)
    pieces = list(_pieces(wanted, manifest))
    whole = here and all(each.source == wanted.place for each in pieces)
    if wanted.to is None and whole and not newer:
        held = tuple(replace(each, held=each.entry) for each in pieces)
        return SetRestore(wanted, manifest, held)
    target_id, resumes = ("", False) if wanted.to is not None else _target(wanted, manifest, listed)
    prefix = folder(wanted.name, target_id) if wanted.to is None else wanted.to
    of = folder(wanted.name, wanted.set_id)
    placed = [replace(each, target=f"{prefix}{each.entry.key.removeprefix(of)}") for each in pieces]
    if resumes or wanted.to is not None:
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            placed = list(pool.map(lambda each: _compared(wanted, each), placed))
    return SetRestore(wanted, manifest, tuple(placed), target_id, resumes, () if wanted.to is not None else newer)


def _manifest(wanted: Wanted) -> tuple[Manifest, bool]:
    """Return the manifest, and whether the region has it itself."""
    try:
        found, here = model_sets.read(wanted.place.region, wanted.place.buckets, wanted.name, wanted.set_id), True
    except Missing:
        try:
            found, here = model_sets.read(wanted.other.region, wanted.other.buckets, wanted.name, wanted.set_id), False
        except Missing as error:
            raise unknown_version(wanted.name, wanted.set_id, _ids(wanted)) from error
    if why := model_sets.fault(found, wanted.name, wanted.set_id):
        key = manifest_key(wanted.name, wanted.set_id)
        raise Invalid(Problem(key, why, "`dr sets verify` shows the newest recoverable version; restore that"))
    return found, here


def _ids(wanted: Wanted) -> list[str]:
    """Return the IDs of the set's versions in the region, newest first."""
    try:
        return model_sets.versions(wanted.place.region, wanted.place.buckets, wanted.name)
    except Missing as error:
        fact = f"{wanted.place.region} has no bucket {wanted.place.buckets[REGISTRY]}"
        raise Refused(Problem("the primary stack", fact, "`pulumi up -s primary` creates it again")) from error


def _pieces(wanted: Wanted, manifest: Manifest) -> Iterator[Piece]:
    """Yield each object with the region that holds it unchanged."""
    here = check(wanted.place.region, wanted.place.buckets, manifest.entries)
    lacking = [each.entry for each in here if not each.intact]
    there = {each.entry: each for each in check(wanted.other.region, wanted.other.buckets, lacking)} if lacking else {}
    for each in here:
        if each.intact:
            yield Piece(each.entry, wanted.place, "")
        elif there[each.entry].intact:
            yield Piece(each.entry, wanted.other, "")
        else:
            other = there[each.entry]
            fact = f"version {each.entry.version_id}: {each.why or 'unknown'} in {wanted.place.region}, "
            fact += f"{other.why or 'unknown'} in {wanted.other.region}"
            remedy = "restore an older version: `dr sets verify` shows the newest recoverable one"
            lost = Problem(each.entry.key, fact, remedy)
            yield Piece(each.entry, None, "", problem=each.unknown or other.unknown or lost)


def _target(wanted: Wanted, manifest: Manifest, listed: Sequence[str]) -> tuple[str, bool]:
    """Return the ID of the new version, and whether an interrupted restore chose it: one that is still the newest."""
    region, bucket, prefix = wanted.place.region, wanted.place.buckets[REGISTRY], f"{SETS}{wanted.name}/"
    names = set[tuple[str, str]]()
    for key in object_keys(region, bucket, prefix):
        set_id, _, name = key.removeprefix(prefix).partition("/")
        names.add((set_id, name))
    started = sorted((each for each, name in names if name == MARKER and (each, MANIFEST) not in names), reverse=True)
    for each in started:
        marker = json.loads(read_object(region, bucket, f"{folder(wanted.name, each)}{MARKER}"))
        if marker.get("source") == wanted.set_id and all(each > other for other in listed):
            return each, True
    return new_id(datetime.now(UTC), manifest.digest), False


def _compared(wanted: Wanted, piece: Piece) -> Piece:
    """Return an object with the copy that is already at its target."""
    region, bucket = wanted.place.region, wanted.place.buckets[piece.entry.pair]
    found = hashes.current(region, bucket, piece.target)
    if found is None:
        return piece
    if matches(region, bucket, piece.target, found, piece.entry):
        return replace(piece, held=entry_of(piece, found.version_id, found.stored.parts))
    return replace(piece, replaces=True)


def matches(region: str, bucket: str, key: str, found: hashes.Current, entry: Entry) -> bool:
    """Return whether an object has the bytes of an entry, by S3's checksum if that is of use."""
    if found.size != entry.size:
        return False
    if found.stored.whole:
        return found.stored.whole == entry.sha256
    if found.stored.parts and found.stored.parts == entry.checksum:
        return True
    return hashes.hash_object(region, bucket, key, found.version_id) == entry.sha256


def entry_of(piece: Piece, version_id: str, parts: str) -> Entry:
    """Return the entry of a copy. S3's checksum of its parts is kept if it is that of the manifest."""
    checksum = parts if parts == piece.entry.checksum else ""
    return replace(piece.entry, key=piece.target, version_id=version_id, checksum=checksum)


def sources(found: SetRestore) -> Sequence[str]:
    """Return the regions that objects are copied from. Pure."""
    return sorted({each.source.region for each in found.to_copy if each.source})
