"""Model sets: a model with its data, parameters and metrics, as one version that is recovered whole or not at all.

S3 replicates object by object, in no order, and not across buckets. So a set is what its manifest lists, with the
version and hash of every object, and the manifest is written last. A region holds a set when it holds every version the
manifest lists with the same hash; a manifest that arrived before its objects is an incomplete set, never a usable one.
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

from dr.clients import Missing, Unreachable, calls, client, read_object
from dr.errors import Failed, Invalid, Problem
from dr.names import REGISTRY, SETS

VERSION = 1
CHUNK = 1 << 20


@dataclass(frozen=True)
class Item:
    """A file that is to be part of a set.

    Args:
        part: What it is: "data", "parameters", "metrics", "model".
        pair: The bucket pair it belongs to.
        path: Where it is now.
    """

    part: str
    pair: str
    path: Path


@dataclass(frozen=True)
class Entry:
    """An object of a set.

    Args:
        part: What it is.
        pair: The bucket pair that holds it.
        key: Its key, the same in both regions.
        version_id: Its version, the same in both regions: a replica keeps the version of its source.
        size: Bytes.
        sha256: Hash of its bytes, hexadecimal.
    """

    part: str
    pair: str
    key: str
    version_id: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One version of a set.

    Args:
        name: The set's name.
        set_id: The version: time of publication and digest, so that ids sort by time.
        created: When it was published, ISO 8601.
        digest: Hash over the parts and their hashes: equal content has an equal digest.
        entries: Its objects.
    """

    name: str
    set_id: str
    created: str
    digest: str
    entries: tuple[Entry, ...]
    version: int = VERSION

    @property
    def key(self) -> str:
        """Where it is in the registry's bucket."""
        return f"{SETS}{self.name}/{self.set_id}/manifest.json"

    def to_json(self) -> str:
        """The manifest as it is stored."""
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class Copy:
    """How one object of a set is in one region.

    Args:
        entry: What the manifest says.
        sha256: Hash of the bytes that were read, or None where that version is not there.
    """

    entry: Entry
    sha256: str | None

    @property
    def intact(self) -> bool:
        """Whether the bytes are those of the manifest."""
        return self.sha256 == self.entry.sha256


def parse(text: str | bytes, source: str) -> Manifest:
    """A manifest from its JSON.

    Raises:
        Invalid: it is no manifest, or of a newer version.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["version"] > VERSION:
            raise Invalid(
                Problem(
                    source, f"the manifest is of version {values['version']}, not {VERSION}", "update this checkout"
                )
            )
        entries = tuple(Entry(**entry) for entry in values["entries"])
        return Manifest(**{**values, "entries": entries})
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(
            Problem(source, f"this is no manifest: {type(error).__name__}: {error}", "publish the set again")
        ) from error


def digest_of(hashes: Mapping[str, str]) -> str:
    """One hash over parts and their hashes."""
    return hashlib.sha256(json.dumps(dict(sorted(hashes.items()))).encode()).hexdigest()


def publish(
    region: str,
    buckets: Mapping[str, str],
    name: str,
    items: Sequence[Item],
    report: Callable[[str, float | None], None] = lambda text, share: None,
) -> Manifest:
    """Write a set: its objects side by side, then the manifest. Equal content that is there whole is left as it is.

    Args:
        region: The region that is written to.
        buckets: That region's bucket by pair; must have every item's pair and the registry.
        name: The set's name.
        items: Its files; each part once.
        report: Called with a text and the share done.

    Returns:
        The manifest; the newest one where that has the same content, and is whole.
    """
    hashes = {item.part: hash_file(item.path) for item in items}
    digest = digest_of(hashes)
    before = newest(region, buckets, name)
    if before and before.digest == digest and all(copy.intact for copy in read_copies(region, buckets, before)):
        return before
    now = datetime.now(UTC)
    set_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{digest[:8]}"

    def upload(item: Item) -> Entry:
        key = f"{SETS}{name}/{set_id}/{item.path.name}"
        s3 = client("s3", region)
        with calls(f"s3://{buckets[item.pair]}/{key}", region):
            s3.upload_file(str(item.path), buckets[item.pair], key)
            # The key is new and nobody else's, so its newest version is the one just written.
            version = s3.head_object(Bucket=buckets[item.pair], Key=key)["VersionId"]
        return Entry(item.part, item.pair, key, version, item.path.stat().st_size, hashes[item.part])

    entries: list[Entry] = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for entry in pool.map(upload, items):
            entries.append(entry)
            report(f"{len(entries)} of {len(items)} objects", len(entries) / (len(items) + 1))
    manifest = Manifest(name, set_id, now.isoformat(timespec="seconds"), digest, tuple(entries))
    with calls(f"s3://{buckets[REGISTRY]}/{manifest.key}", region):
        client("s3", region).put_object(
            Bucket=buckets[REGISTRY], Key=manifest.key, Body=manifest.to_json(), ContentType="application/json"
        )
    return manifest


def newest(region: str, buckets: Mapping[str, str], name: str) -> Manifest | None:
    """The newest manifest of a set that a region holds, or None."""
    return next(manifests(region, buckets, name), None)


def manifests(region: str, buckets: Mapping[str, str], name: str) -> Iterator[Manifest]:
    """The manifests of a set that a region holds, the newest first, each read when it is asked for."""
    registry, prefix = buckets[REGISTRY], f"{SETS}{name}/"
    with calls(f"s3://{registry}/{prefix}", region):
        pages = client("s3", region).get_paginator("list_objects_v2").paginate(Bucket=registry, Prefix=prefix)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    for key in sorted((key for key in keys if key.endswith("/manifest.json")), reverse=True):
        yield parse(read_object(region, registry, key), f"s3://{registry}/{key}")


def names(region: str, buckets: Mapping[str, str]) -> list[str]:
    """Names of all sets a region holds."""
    with calls(f"s3://{buckets[REGISTRY]}/{SETS}", region):
        pages = client("s3", region).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=buckets[REGISTRY], Prefix=SETS, Delimiter="/")
        return [each["Prefix"].split("/")[1] for page in found for each in page.get("CommonPrefixes", [])]


def read_copies(region: str, buckets: Mapping[str, str], manifest: Manifest) -> list[Copy]:
    """Read every object of a set in a region and hash it; arguments as of `read_entries`."""
    return read_entries(region, buckets, manifest.entries)


def read_entries(region: str, buckets: Mapping[str, str], entries: Sequence[Entry]) -> list[Copy]:
    """Read objects in a region and hash them.

    Args:
        region: The region that is read.
        buckets: That region's bucket by pair.
        entries: What is looked for.
    """

    def read(entry: Entry) -> Copy:
        try:
            return Copy(entry, hash_object(region, buckets[entry.pair], entry.key, entry.version_id))
        except Missing:
            return Copy(entry, None)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(read, entries))


def hash_object(region: str, bucket: str, key: str, version_id: str) -> str:
    """SHA-256 of an object's bytes, hexadecimal, which are read and not kept.

    Raises:
        Missing: that version is not there.
        Unreachable: the region does not answer.
    """
    hasher = hashlib.sha256()
    with calls(f"s3://{bucket}/{key}", region):
        answer = client("s3", region).get_object(Bucket=bucket, Key=key, VersionId=version_id)
        for chunk in answer["Body"].iter_chunks(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def missing(region: str, buckets: Mapping[str, str], manifest: Manifest) -> list[Entry]:
    """Objects of a set that did not arrive in a region, told by version and size; no bytes are read.

    Args:
        region: The region that is asked.
        buckets: That region's bucket by pair; what is of another pair is not asked for.
        manifest: What is looked for.
    """
    wanted = [entry for entry in manifest.entries if entry.pair in buckets]

    def absent(entry: Entry) -> bool:
        bucket = buckets[entry.pair]
        try:
            with calls(f"s3://{bucket}/{entry.key}", region):
                found = client("s3", region).head_object(Bucket=bucket, Key=entry.key, VersionId=entry.version_id)
        except Missing:
            return True
        return bool(found["ContentLength"] != entry.size)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return [entry for entry, gone in zip(wanted, pool.map(absent, wanted), strict=True) if gone]


def download(region: str, buckets: Mapping[str, str], entry: Entry, path: Path) -> None:
    """Read an object of a set into a file, which has its name only once it has the manifest's bytes.

    Large objects are read in parts side by side, and a part that breaks off is read again (boto3, "File transfer
    configuration").

    Args:
        region: The region that is read.
        buckets: That region's bucket by pair.
        entry: The object.
        path: The file; what was there is replaced.

    Raises:
        Missing: that version is not there.
        Unreachable: the region does not answer.
        Failed: its bytes are not those of the manifest.
        OSError: the file cannot be written.
    """
    from boto3.exceptions import RetriesExceededError
    from boto3.s3.transfer import TransferConfig

    bucket, part = buckets[entry.pair], path.with_name(f"{path.name}.part")
    few, extra = TransferConfig(max_concurrency=4), {"VersionId": entry.version_id}
    try:
        with calls(f"s3://{bucket}/{entry.key}", region):
            client("s3", region).download_file(bucket, entry.key, str(part), ExtraArgs=extra, Config=few)
    except RetriesExceededError as error:
        fact = f"{region} broke off again and again: {error.last_exception}"
        raise Unreachable(Problem(f"s3://{bucket}/{entry.key}", fact, "look at the region's health")) from error
    if (found := hash_file(part)) != entry.sha256:
        part.unlink()
        raise Failed(
            Problem(
                f"s3://{bucket}/{entry.key} version {entry.version_id}",
                f"sha256 is {found}, and the manifest has {entry.sha256}",
                "it was damaged or exchanged: find out which, and publish the set again; nothing was put in its place",
            )
        )
    part.replace(path)


def hash_file(path: Path) -> str:
    """A file's SHA-256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
