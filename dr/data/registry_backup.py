"""What a backup of the registry is, and whether it is still whole: a dated manifest over copies that never change.

    backups/objects/<version>/<key>   a copy of one version of an object; written once, found by every later backup
    backups/manifests/<date>.json     which copies were the registry at that time; written last, over a complete copy

All of it is in the registry's own bucket and so is replicated: the other region holds each backup under the same keys
and versions. Written by `dr.pods.copy_registry`, read by whoever restores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dr.clients import calls, client, read_object
from dr.data import model_sets
from dr.data.model_sets import Copy, Entry
from dr.errors import Invalid, Problem
from dr.names import REGISTRY

VERSION = 1
PREFIX = "backups/"
OBJECTS, MANIFESTS = f"{PREFIX}objects/", f"{PREFIX}manifests/"
MAX_KEY_BYTES = 1024
"""S3 user guide, "Naming Amazon S3 objects"."""


@dataclass(frozen=True)
class Saved:
    """An object of the registry, and its copy.

    Args:
        key: Its key in the registry.
        version_id: Its version.
        size: Bytes.
        sha256: Hash of its bytes, hexadecimal.
        copy: Key of the copy.
        copy_version_id: Version of the copy: what a later write under that key cannot change.
    """

    key: str
    version_id: str
    size: int
    sha256: str
    copy: str
    copy_version_id: str


@dataclass(frozen=True)
class Backup:
    """The registry at one time.

    Args:
        created: When its objects were listed, ISO 8601 in UTC: what was written later is not in it.
        objects: Every object that was live.
    """

    created: str
    objects: tuple[Saved, ...]
    version: int = VERSION

    @property
    def key(self) -> str:
        """Where its manifest is; names sort by time."""
        return f"{MANIFESTS}{self.created.replace('-', '').replace(':', '')}.json"

    def to_json(self) -> str:
        """The manifest as it is stored."""
        return json.dumps(asdict(self), indent=1)


def parse(text: str | bytes, source: str) -> Backup:
    """A backup from its manifest.

    Raises:
        Invalid: it is no manifest, or of a newer version.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["version"] > VERSION:
            fact = f"the manifest is of version {values['version']}, not {VERSION}"
            raise Invalid(Problem(source, fact, "update this checkout"))
        return Backup(**{**values, "objects": tuple(Saved(**each) for each in values["objects"])})
    except (ValueError, KeyError, TypeError) as error:
        fact = f"this is no manifest of a registry backup: {type(error).__name__}: {error}"
        raise Invalid(Problem(source, fact, "use the manifest before it")) from error


def manifests(region: str, bucket: str) -> list[str]:
    """Keys of the manifests a region holds, the newest first."""
    with calls(f"s3://{bucket}/{MANIFESTS}", region):
        pages = client("s3", region).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=MANIFESTS)
        return sorted((found["Key"] for page in pages for found in page.get("Contents", [])), reverse=True)


def read(region: str, bucket: str, key: str) -> Backup:
    """A backup by its manifest's key.

    Raises:
        Missing: there is none.
        Invalid: it cannot be understood.
    """
    return parse(read_object(region, bucket, key), f"s3://{bucket}/{key}")


def verify(region: str, bucket: str, backup: Backup) -> list[Copy]:
    """Read every copy of a backup in a region, and hash it: what is to be asked before it is restored.

    Args:
        region: The region that is read.
        bucket: Its registry bucket.
        backup: What is looked for.

    Returns:
        How each is, in the backup's order; `intact` says whether its bytes are those of the manifest.
    """
    entries = tuple(
        Entry(each.key, REGISTRY, each.copy, each.copy_version_id, each.size, each.sha256) for each in backup.objects
    )
    buckets: Mapping[str, str] = {REGISTRY: bucket}
    return model_sets.read_entries(region, buckets, entries)


def copy_key(key: str, version_id: str, etag: str) -> str:
    """Where the copy of a version is kept.

    An object from before versioning was on has the version "null", which a later write replaces: there the ETag tells
    its contents apart.

    Raises:
        Invalid: it would be longer than a key may be.
    """
    version = version_id if version_id != "null" else f"null-{etag.strip(chr(34))}"
    copy = f"{OBJECTS}{version}/{key}"
    if (length := len(copy.encode())) > MAX_KEY_BYTES:
        fact = f"its copy's key would have {length} bytes, and S3 takes {MAX_KEY_BYTES}"
        raise Invalid(Problem(f"registry object {key}", fact, "give it a shorter key"))
    return copy
