"""Model sets: a model with its data, parameters and metrics, as one version that is recovered whole or not at all.

S3 replicates object by object, in no order, and not across buckets. So a set is what its manifest lists, with the
version and hash of every object, and the manifest is written last. A region holds a set when it holds every version the
manifest lists with the same hash; a manifest that arrived before its objects is an incomplete set, never a usable one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import Invalid, Problem

VERSION = 1
REGISTRY = "registry"
"""The pair that holds manifests."""

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
        return f"sets/{self.name}/{self.set_id}/manifest.json"

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
    hashes = {item.part: _hash_file(item.path) for item in items}
    digest = digest_of(hashes)
    before = newest(region, buckets, name)
    if before and before.digest == digest and all(copy.intact for copy in read_copies(region, buckets, before)):
        return before
    now = datetime.now(UTC)
    set_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{digest[:8]}"

    def upload(item: Item) -> Entry:
        key = f"sets/{name}/{set_id}/{item.path.name}"
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
    registry, prefix = buckets[REGISTRY], f"sets/{name}/"
    with calls(f"s3://{registry}/{prefix}", region):
        pages = client("s3", region).get_paginator("list_objects_v2").paginate(Bucket=registry, Prefix=prefix)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        manifests = [key for key in keys if key.endswith("/manifest.json")]
        if not manifests:
            return None
        body = client("s3", region).get_object(Bucket=registry, Key=max(manifests))["Body"].read()
    return parse(body, f"s3://{registry}/{max(manifests)}")


def names(region: str, buckets: Mapping[str, str]) -> list[str]:
    """Names of all sets a region holds."""
    with calls(f"s3://{buckets[REGISTRY]}/sets/", region):
        pages = client("s3", region).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=buckets[REGISTRY], Prefix="sets/", Delimiter="/")
        return [each["Prefix"].split("/")[1] for page in found for each in page.get("CommonPrefixes", [])]


def read_copies(region: str, buckets: Mapping[str, str], manifest: Manifest) -> list[Copy]:
    """Read every object of a set in a region and hash it.

    Args:
        region: The region that is read.
        buckets: That region's bucket by pair.
        manifest: What is looked for.
    """

    def read(entry: Entry) -> Copy:
        hasher = hashlib.sha256()
        try:
            with calls(f"s3://{buckets[entry.pair]}/{entry.key}", region):
                answer = client("s3", region).get_object(
                    Bucket=buckets[entry.pair], Key=entry.key, VersionId=entry.version_id
                )
                for chunk in answer["Body"].iter_chunks(CHUNK):
                    hasher.update(chunk)
        except Missing:
            return Copy(entry, None)
        return Copy(entry, hasher.hexdigest())

    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(read, manifest.entries))


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
