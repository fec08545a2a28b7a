"""Backups of the model registry: a dated manifest that lists immutable copies; and their verification.

    backups/objects/<version>/<key>   copy of one version of an object; written once, used by all later backups
    backups/manifests/<date>.json     copies that were the registry at that time; written last, when all copies exist

Backups are in the registry's own bucket, so they are replicated: the other region holds each under the same keys and
versions. `dr.pods.copy_registry` writes them; restores read them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dr.clients import object_keys, read_object
from dr.data import copies
from dr.data.copies import Copy
from dr.data.model_sets import Entry
from dr.errors import Invalid, Problem
from dr.names import MAX_KEY_BYTES, REGISTRY

VERSION = 1
PREFIX = "backups/"
OBJECTS, MANIFESTS = f"{PREFIX}objects/", f"{PREFIX}manifests/"


@dataclass(frozen=True)
class Saved:
    """An object of the registry, and its copy.

    Args:
        key: Its key in the registry.
        version_id: Its version ID.
        size: Size in bytes.
        sha256: SHA-256 of its bytes, hexadecimal.
        copy: Key of the copy.
        copy_version_id: Version ID of the copy, which later writes to that key do not change.
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
        created: Time of the listing, ISO 8601 in UTC; later writes are not included.
        objects: All objects at that time, without deleted ones.
    """

    created: str
    objects: tuple[Saved, ...]
    version: int = VERSION

    @property
    def key(self) -> str:
        """Key of its manifest; keys sort by time."""
        return f"{MANIFESTS}{self.created.replace('-', '').replace(':', '')}.json"

    def to_json(self) -> str:
        """Return the manifest as stored."""
        return json.dumps(asdict(self), indent=1)


def parse(text: str | bytes, source: str) -> Backup:
    """Return a backup from its manifest.

    Raises:
        Invalid: The text is not a manifest, or has a newer version.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["version"] > VERSION:
            fact = f"the manifest has version {values['version']}, not {VERSION}"
            raise Invalid(Problem(source, fact, "update this checkout"))
        return Backup(**{**values, "objects": tuple(Saved(**each) for each in values["objects"])})
    except (ValueError, KeyError, TypeError) as error:
        fact = f"not a valid manifest of a registry backup: {type(error).__name__}: {error}"
        raise Invalid(Problem(source, fact, "use the previous manifest")) from error


def manifests(region: str, bucket: str) -> list[str]:
    """Return the keys of the manifests in a region, newest first."""
    return sorted(object_keys(region, bucket, MANIFESTS), reverse=True)


def read(region: str, bucket: str, key: str) -> Backup:
    """Return a backup by its manifest's key.

    Raises:
        Missing: The manifest does not exist.
        Invalid: The manifest is not valid.
    """
    return parse(read_object(region, bucket, key), f"s3://{bucket}/{key}")


def verify(region: str, bucket: str, backup: Backup) -> list[Copy]:
    """Read and hash every copy of a backup in a region; to be done before a restore.

    Args:
        region: The region to read from.
        bucket: Name of its registry bucket.
        backup: The backup to verify.

    Returns:
        The state of each copy, in the backup's order; `intact` tests its bytes against the manifest.
    """
    entries = tuple(
        Entry(each.key, REGISTRY, each.copy, each.copy_version_id, each.size, each.sha256) for each in backup.objects
    )
    buckets: Mapping[str, str] = {REGISTRY: bucket}
    return copies.read_entries(region, buckets, entries)


def copy_key(key: str, version_id: str, etag: str) -> str:
    """Return the key for the copy of a version.

    An object written before versioning was enabled has the version ID "null", and a later write replaces it. The ETag
    then distinguishes its contents.

    Raises:
        Invalid: The key of the copy exceeds the limit of S3.
    """
    version = version_id if version_id != "null" else f"null-{etag.strip(chr(34))}"
    copy = f"{OBJECTS}{version}/{key}"
    if (length := len(copy.encode())) > MAX_KEY_BYTES:
        fact = f"the key of its copy would have {length} bytes; S3 accepts at most {MAX_KEY_BYTES}"
        raise Invalid(Problem(f"registry object {key}", fact, "use a shorter key"))
    return copy
