"""Model sets: a model with its data, parameters and metrics, as one version that is recovered as a whole.

S3 replicates single objects, in no order, and not consistently across buckets. So a manifest lists a set's objects with
version and hash, and is written last. A region holds a set if it holds every listed version with the same hash. If the
manifest is replicated before its objects, the set is incomplete and not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dr.clients import Missing, Unreachable, calls, client, object_keys, read_object
from dr.data.hashes import hash_file
from dr.errors import Failed, Invalid, Problem
from dr.names import REGISTRY, SETS

VERSION = 1
MANIFEST = "manifest.json"

Report = Callable[[str, float | None], None]
"""Receives the progress of a long action: a text and the completed share, 0 to 1, or None if it is not known."""


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
        checksum: S3's checksum of an object that was uploaded in parts: SHA-256 of the parts' SHA-256 in base64, and
            the number of parts. Empty for other objects, for which S3 has `sha256` itself.
    """

    part: str
    pair: str
    key: str
    version_id: str
    size: int
    sha256: str
    checksum: str = ""


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
        digest: Hash of the objects' hashes and paths: equal content has an equal digest.
        entries: Its objects.
        probe: A request with its known answer; None for a set that was published without one.
        image: Digest of the image that serves the model; empty if none is known. Registries differ by region.
        source: ID of the version that this one was restored from; empty for a version that was published.
    """

    name: str
    set_id: str
    created: str
    digest: str
    entries: tuple[Entry, ...]
    probe: Probe | None = None
    version: int = VERSION
    image: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """Key in the registry bucket."""
        return manifest_key(self.name, self.set_id)

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(entry.size for entry in self.entries)

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each object by its path in the set."""
        prefix = folder(self.name, self.set_id)
        return {entry.key.removeprefix(prefix): entry.sha256 for entry in self.entries}

    def to_json(self) -> str:
        """Return the manifest as stored."""
        return json.dumps(asdict(self), indent=2)


def folder(name: str, set_id: str) -> str:
    """Return the prefix of a version's objects, the same in each bucket."""
    return f"{SETS}{name}/{set_id}/"


def manifest_key(name: str, set_id: str) -> str:
    """Return the key of a version's manifest in the registry bucket."""
    return f"{folder(name, set_id)}{MANIFEST}"


def digest_of(hashes: Mapping[str, str]) -> str:
    """Return one hash of the hashes of a set's objects, which are given by path."""
    return hashlib.sha256(json.dumps(dict(sorted(hashes.items()))).encode()).hexdigest()


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


def fault(manifest: Manifest, name: str, set_id: str) -> str:
    """Return what is wrong with a manifest itself; empty if nothing is. Pure."""
    if (manifest.name, manifest.set_id) != (name, set_id):
        return f"the manifest is that of {manifest.name} {manifest.set_id}"
    if manifest.digest != digest_of(manifest.hashes):
        return "the manifest was altered: its digest does not match the objects that it lists"
    return ""


def newest(region: str, buckets: Mapping[str, str], name: str) -> Manifest | None:
    """Return the newest manifest of a set in a region; None if there is none."""
    return next(manifests(region, buckets, name), None)


def manifests(region: str, buckets: Mapping[str, str], name: str) -> Iterator[Manifest]:
    """Yield the manifests of a set in a region, newest first; each is read when it is needed."""
    for set_id in versions(region, buckets, name):
        yield read(region, buckets, name, set_id)


def versions(region: str, buckets: Mapping[str, str], name: str) -> list[str]:
    """Return the IDs of a set's versions in a region, newest first: those that have a manifest."""
    keys = object_keys(region, buckets[REGISTRY], f"{SETS}{name}/")
    return sorted((key.split("/")[-2] for key in keys if key.endswith(f"/{MANIFEST}")), reverse=True)


def read(region: str, buckets: Mapping[str, str], name: str, set_id: str) -> Manifest:
    """Return the manifest of a version.

    Raises:
        Missing: The region does not have it.
        Invalid: It is not valid.
        Unreachable: The region does not answer.
    """
    registry, key = buckets[REGISTRY], manifest_key(name, set_id)
    return parse(read_object(region, registry, key), f"s3://{registry}/{key}")


def names(region: str, buckets: Mapping[str, str]) -> list[str]:
    """Return the names of all sets in a region."""
    with calls(f"s3://{buckets[REGISTRY]}/{SETS}", region):
        pages = client("s3", region).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=buckets[REGISTRY], Prefix=SETS, Delimiter="/")
        return [each["Prefix"].split("/")[1] for page in found for each in page.get("CommonPrefixes", [])]


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
    prefix = folder(manifest.name, manifest.set_id)
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
