"""Whether a region holds the objects of a set unchanged: by S3's own checksum, or by reading their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dr.clients import Denied, Missing, Unreachable
from dr.data.hashes import hash_object, stored
from dr.data.key_access import explained
from dr.data.model_sets import Entry, Manifest
from dr.errors import Failed, Problem

WORKERS = 16


@dataclass(frozen=True)
class Copy:
    """State of an object of a set in one region.

    Args:
        entry: The manifest's entry.
        sha256: SHA-256 of the bytes in the region; None if the version is missing or its hash is unknown.
        bytes_read: Bytes that were read to hash them; 0 where S3's own checksum was used.
        unknown: Why the hash could not be measured; None if it was.
    """

    entry: Entry
    sha256: str | None
    bytes_read: int = 0
    unknown: Problem | None = None

    @property
    def intact(self) -> bool:
        """Whether the bytes match the manifest."""
        return self.sha256 == self.entry.sha256

    @property
    def why(self) -> str:
        """Why the object is not intact; empty if it is, or if that is unknown."""
        if self.intact or self.unknown:
            return ""
        if self.sha256 is None:
            return "this version does not exist"
        return f"altered: its SHA-256 is {self.sha256}, but the manifest has {self.entry.sha256}"


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
            sha256 = hash_object(region, buckets[entry.pair], entry.key, entry.version_id)
        except Missing:
            return Copy(entry, None)
        return Copy(entry, sha256, entry.size)

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(read, entries))


def check(region: str, buckets: Mapping[str, str], entries: Sequence[Entry]) -> list[Copy]:
    """Compare objects in a region with their entries; only objects without a usable checksum are read.

    Args:
        region: The region to check.
        buckets: Names of the region's buckets by pair.
        entries: Objects to check.

    Raises:
        Unreachable: The region does not answer.
    """
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(lambda entry: _check(region, buckets, entry), entries))


def _check(region: str, buckets: Mapping[str, str], entry: Entry) -> Copy:
    bucket = buckets.get(entry.pair)
    if bucket is None:
        remedy = f"add {entry.pair} to dr:buckets"
        return Copy(entry, None, unknown=Problem(entry.key, f"{entry.pair} is not a configured bucket pair", remedy))
    try:
        found = stored(region, bucket, entry.key, entry.version_id)
        if found.whole:
            return Copy(entry, found.whole)
        if found.parts and found.parts == entry.checksum:
            return Copy(entry, entry.sha256)
        return Copy(entry, hash_object(region, bucket, entry.key, entry.version_id), entry.size)
    except Missing:
        return Copy(entry, None)
    except Unreachable:
        raise
    except Denied as error:
        return Copy(entry, None, unknown=explained(region, bucket, entry.key, entry.version_id, error))
    except Failed as error:
        return Copy(entry, None, unknown=error.problems[0])
