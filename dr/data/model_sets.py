"""Model sets: a model with its data, parameters and metrics, as one version that is recovered as a whole.

S3 replicates single objects, in no order, and not consistently across buckets. So a manifest lists a set's objects with
version and hash, and is written last. A region holds a set if it holds every listed version with the same hash. If the
manifest is replicated before its objects, the set is incomplete and not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dr.clients import Missing, Unreachable, calls, client, object_keys, read_object
from dr.errors import Failed, Invalid, Problem
from dr.names import REGISTRY, SETS

VERSION = 1
CHUNK = 1 << 20


@dataclass(frozen=True)
class Item:
    """A file to publish in a set.

    Args:
        part: Its part: "data", "parameters", "metrics", "model".
        pair: The bucket pair to store it in.
        path: Local path.
    """

    part: str
    pair: str
    path: Path


@dataclass(frozen=True)
class Entry:
    """An object of a set.

    Args:
        part: Its part.
        pair: The bucket pair that holds it.
        key: Its key, the same in both regions.
        version_id: Its version ID, the same in both regions: a replica keeps the version ID of its source.
        size: Size in bytes.
        sha256: SHA-256 of its bytes, hexadecimal.
    """

    part: str
    pair: str
    key: str
    version_id: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Probe:
    """An inference request with its known answer, by which a region is validated.

    Args:
        request: Body of the request (Open Inference Protocol, `inputs`).
        outputs: Data of each output, in order.
    """

    request: Mapping[str, Any]
    outputs: tuple[Any, ...]


@dataclass(frozen=True)
class Manifest:
    """The manifest of one version of a set.

    Args:
        name: The set's name.
        set_id: ID of the version: publication time and digest, so that IDs sort by time.
        created: Publication time, ISO 8601.
        digest: Hash of the parts' hashes: equal content has an equal digest.
        entries: Its objects.
        probe: A request with its known answer; None for a set that was published without one.
    """

    name: str
    set_id: str
    created: str
    digest: str
    entries: tuple[Entry, ...]
    probe: Probe | None = None
    version: int = VERSION

    @property
    def key(self) -> str:
        """Key in the registry bucket."""
        return f"{SETS}{self.name}/{self.set_id}/manifest.json"

    def to_json(self) -> str:
        """Return the manifest as stored."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class Copy:
    """State of an object of a set in one region.

    Args:
        entry: The manifest's entry.
        sha256: SHA-256 of the bytes in the region; None if the version is missing.
    """

    entry: Entry
    sha256: str | None

    @property
    def intact(self) -> bool:
        """Whether the bytes match the manifest."""
        return self.sha256 == self.entry.sha256


def parse(text: str | bytes, source: str) -> Manifest:
    """Return a manifest from its JSON.

    Raises:
        Invalid: The text is not a manifest, or has a newer version.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["version"] > VERSION:
            raise Invalid(
                Problem(source, f"the manifest has version {values['version']}, not {VERSION}", "update this checkout")
            )
        entries = tuple(Entry(**entry) for entry in values["entries"])
        found = values.get("probe")
        probe = Probe(found["request"], tuple(found["outputs"])) if found else None
        return Manifest(**{**values, "entries": entries, "probe": probe})
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(
            Problem(source, f"not a valid manifest: {type(error).__name__}: {error}", "publish the set again")
        ) from error


def digest_of(hashes: Mapping[str, str]) -> str:
    """Return one hash of the parts' hashes."""
    return hashlib.sha256(json.dumps(dict(sorted(hashes.items()))).encode()).hexdigest()


def publish(
    region: str,
    buckets: Mapping[str, str],
    name: str,
    items: Sequence[Item],
    report: Callable[[str, float | None], None] = lambda text, share: None,
    probe: Probe | None = None,
) -> Manifest:
    """Publish a set: upload its objects in parallel, then the manifest. An intact version with equal content is kept.

    Args:
        region: The region to write to.
        buckets: Names of the region's buckets by pair; must include each item's pair and the registry.
        name: The set's name.
        items: Its files; each part once.
        report: Called with a text and the completed share, 0 to 1.
        probe: A request with its known answer.

    Returns:
        The manifest; that of the newest version if it is intact and has the same content.
    """
    hashes = {item.part: hash_file(item.path) for item in items}
    digest = digest_of(hashes)
    before = newest(region, buckets, name)
    same = before and (before.digest, before.probe) == (digest, probe)
    if before and same and all(copy.intact for copy in read_copies(region, buckets, before)):
        return before
    now = datetime.now(UTC)
    set_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{digest[:8]}"

    def upload(item: Item) -> Entry:
        key = f"{SETS}{name}/{set_id}/{item.path.name}"
        s3 = client("s3", region)
        with calls(f"s3://{buckets[item.pair]}/{key}", region):
            s3.upload_file(str(item.path), buckets[item.pair], key)
            # The key is new and unique, so its newest version is the one just written.
            version = s3.head_object(Bucket=buckets[item.pair], Key=key)["VersionId"]
        return Entry(item.part, item.pair, key, version, item.path.stat().st_size, hashes[item.part])

    entries: list[Entry] = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for entry in pool.map(upload, items):
            entries.append(entry)
            report(f"{len(entries)} of {len(items)} objects", len(entries) / (len(items) + 1))
    manifest = Manifest(name, set_id, now.isoformat(timespec="seconds"), digest, tuple(entries), probe)
    with calls(f"s3://{buckets[REGISTRY]}/{manifest.key}", region):
        client("s3", region).put_object(
            Bucket=buckets[REGISTRY], Key=manifest.key, Body=manifest.to_json(), ContentType="application/json"
        )
    return manifest


def newest(region: str, buckets: Mapping[str, str], name: str) -> Manifest | None:
    """Return the newest manifest of a set in a region; None if there is none."""
    return next(manifests(region, buckets, name), None)


def manifests(region: str, buckets: Mapping[str, str], name: str) -> Iterator[Manifest]:
    """Yield the manifests of a set in a region, newest first; each is read when it is needed."""
    registry, prefix = buckets[REGISTRY], f"{SETS}{name}/"
    keys = (key for key in object_keys(region, registry, prefix) if key.endswith("/manifest.json"))
    for key in sorted(keys, reverse=True):
        yield parse(read_object(region, registry, key), f"s3://{registry}/{key}")


def names(region: str, buckets: Mapping[str, str]) -> list[str]:
    """Return the names of all sets in a region."""
    with calls(f"s3://{buckets[REGISTRY]}/{SETS}", region):
        pages = client("s3", region).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=buckets[REGISTRY], Prefix=SETS, Delimiter="/")
        return [each["Prefix"].split("/")[1] for page in found for each in page.get("CommonPrefixes", [])]


def read_copies(region: str, buckets: Mapping[str, str], manifest: Manifest) -> list[Copy]:
    """Read and hash every object of a set in a region; arguments as of `read_entries`."""
    return read_entries(region, buckets, manifest.entries)


def read_entries(region: str, buckets: Mapping[str, str], entries: Sequence[Entry]) -> list[Copy]:
    """Read and hash objects in a region.

    Args:
        region: The region to read from.
        buckets: Names of the region's buckets by pair.
        entries: Objects to read.
    """

    def read(entry: Entry) -> Copy:
        try:
            return Copy(entry, hash_object(region, buckets[entry.pair], entry.key, entry.version_id))
        except Missing:
            return Copy(entry, None)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(read, entries))


def hash_object(region: str, bucket: str, key: str, version_id: str) -> str:
    """Return the SHA-256 of an object's bytes, hexadecimal; the bytes are streamed.

    Raises:
        Missing: The version does not exist.
        Unreachable: The region does not answer.
    """
    hasher = hashlib.sha256()
    with calls(f"s3://{bucket}/{key}", region):
        answer = client("s3", region).get_object(Bucket=bucket, Key=key, VersionId=version_id)
        for chunk in answer["Body"].iter_chunks(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def missing(region: str, buckets: Mapping[str, str], manifest: Manifest) -> list[Entry]:
    """Return the objects of a set that are not in a region, by version and size; their bytes are not read.

    Args:
        region: The region to check.
        buckets: Names of the region's buckets by pair; objects of other pairs are not checked.
        manifest: Manifest of the set.
    """
    entries = [entry for entry in manifest.entries if entry.pair in buckets]

    def absent(entry: Entry) -> bool:
        bucket = buckets[entry.pair]
        try:
            with calls(f"s3://{bucket}/{entry.key}", region):
                head = client("s3", region).head_object(Bucket=bucket, Key=entry.key, VersionId=entry.version_id)
        except Missing:
            return True
        return bool(head["ContentLength"] != entry.size)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return [entry for entry, gone in zip(entries, pool.map(absent, entries), strict=True) if gone]


def absent(region: str, pair: str, bucket: str, manifest: Manifest) -> list[Entry]:
    """Return the objects of a set in one bucket that are not there, by version and size, with one listing.

    Args:
        region: The region to check.
        pair: The bucket pair of the entries to check.
        bucket: The region's bucket of that pair.
        manifest: Manifest of the set.
    """
    prefix = f"{manifest.key.rpartition('/')[0]}/"
    with calls(f"s3://{bucket}/{prefix}", region):
        pages = client("s3", region).get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        there = {(each["Key"], each["VersionId"]): each["Size"] for page in pages for each in page.get("Versions", [])}
    entries = [entry for entry in manifest.entries if entry.pair == pair]
    return [entry for entry in entries if there.get((entry.key, entry.version_id)) != entry.size]


def download(region: str, buckets: Mapping[str, str], entry: Entry, path: Path) -> None:
    """Download an object of a set into a file, which gets its name only after its bytes match the manifest.

    Large objects are downloaded in parallel parts, and a part that is interrupted is retried (boto3, "File transfer
    configuration").

    Args:
        region: The region to read from.
        buckets: Names of the region's buckets by pair.
        entry: The object.
        path: The file; an existing file is replaced.

    Raises:
        Missing: The version does not exist.
        Unreachable: The region does not answer.
        Failed: The bytes do not match the manifest.
        OSError: The file cannot be written.
    """
    from boto3.exceptions import RetriesExceededError
    from boto3.s3.transfer import TransferConfig

    bucket, part = buckets[entry.pair], path.with_name(f"{path.name}.part")
    config, extra = TransferConfig(max_concurrency=4), {"VersionId": entry.version_id}
    try:
        with calls(f"s3://{bucket}/{entry.key}", region):
            client("s3", region).download_file(bucket, entry.key, str(part), ExtraArgs=extra, Config=config)
    except RetriesExceededError as error:
        fact = f"{region} interrupted the download repeatedly: {error.last_exception}"
        raise Unreachable(Problem(f"s3://{bucket}/{entry.key}", fact, "check the region's health")) from error
    if (sha256 := hash_file(part)) != entry.sha256:
        part.unlink()
        raise Failed(
            Problem(
                f"s3://{bucket}/{entry.key} version {entry.version_id}",
                f"sha256 is {sha256}, but the manifest has {entry.sha256}",
                "the object was damaged or replaced: find the cause and publish the set again; no file was changed",
            )
        )
    part.replace(path)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
