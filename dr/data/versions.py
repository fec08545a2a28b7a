"""The object versions of a prefix as a stream, and what each key was at a time, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dr.clients import calls, client

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that have to be restored before they can be read (S3 user guide, "Restoring an archived object")."""


@dataclass(frozen=True, slots=True)
class Version:
    """An object version or a delete marker.

    Args:
        key: Key of the object.
        version_id: Its version ID.
        written: When it was written, in whole seconds; for an upload in parts, when that was initiated (S3 user guide,
            "System-defined object metadata").
        latest: Whether it is the current version.
        size: Size in bytes; None for a delete marker.
        etag: Its ETag; empty for a delete marker.
        archived: Whether it cannot be read before it is restored from an archive.
    """

    key: str
    version_id: str
    written: datetime
    latest: bool
    size: int | None = None
    etag: str = ""
    archived: bool = False

    @property
    def is_object(self) -> bool:
        """Whether it is an object, and not a delete marker."""
        return self.size is not None


@dataclass(frozen=True, slots=True)
class State:
    """A key now and at a time.

    Args:
        current: Its current version.
        then: Its version at the time; None if it had none.
        newer: The oldest version after the time; None without one.
        uncertain: Whether `then` is one of an object and a delete marker that were written in the same second.
    """

    current: Version
    then: Version | None
    newer: Version | None = None
    uncertain: bool = False

    @property
    def key(self) -> str:
        """The key."""
        return self.current.key


def stream(region: str, bucket: str, prefix: str) -> Iterator[Version]:
    """Yield every version below a prefix, page by page: keys in S3's order, versions of a key from the newest on.

    S3 lists objects and delete markers of a page apart, and times have whole seconds. So the order of an object and a
    marker of one second is not known, unless one is current.

    Raises:
        Missing: The bucket does not exist.
        Unreachable: The region does not answer.
    """
    pages = client("s3", region).get_paginator("list_object_versions")
    found = iter(pages.paginate(Bucket=bucket, Prefix=prefix, OptionalObjectAttributes=["RestoreStatus"]))
    while True:
        with calls(f"s3://{bucket}/{prefix}", region):
            page = next(found, None)
        if page is None:
            return
        yield from sorted(_versions(page), key=lambda each: (each.key, not each.latest, -each.written.timestamp()))


def _versions(page: dict[str, Any]) -> Iterator[Version]:
    for each in page.get("Versions", ()):
        restored = (each.get("RestoreStatus") or {}).get("RestoreExpiryDate") is not None
        archived = each.get("StorageClass") in ARCHIVED and not restored
        head = (each["Key"], each["VersionId"], each["LastModified"], each["IsLatest"])
        yield Version(*head, each["Size"], each["ETag"], archived)
    for each in page.get("DeleteMarkers", ()):
        yield Version(each["Key"], each["VersionId"], each["LastModified"], each["IsLatest"])


def states(versions: Iterable[Version], at: datetime) -> Iterator[State]:
    """Yield what each key is now, and what it was at a time. Pure.

    Args:
        versions: Versions in the order of `stream`.
        at: The time, with a time zone.
    """
    state: State | None = None
    for each in versions:
        if state is None or each.key != state.current.key:
            if state:
                yield state
            state = State(each, None)
        if each.written > at:
            state = State(state.current, None, each)
        elif state.then is None:
            state = State(state.current, each, state.newer)
        elif each.written == state.then.written and each.is_object != state.then.is_object and not state.then.latest:
            state = State(state.current, state.then, state.newer, uncertain=True)
    if state:
        yield state


def resolved(region: str, bucket: str, state: State, at: datetime) -> State:
    """Return a state with the version that S3 lists first of those that were written in the same second.

    A page of one version has an order. Newer versions of one second may be listed before it.

    Raises:
        Unreachable: The region does not answer.
    """
    last = state.newer
    while True:
        marker = {"KeyMarker": state.key, "VersionIdMarker": last.version_id} if last else {}
        with calls(f"s3://{bucket}/{state.key}", region):
            page = client("s3", region).list_object_versions(Bucket=bucket, Prefix=state.key, MaxKeys=1, **marker)
        last = next(_versions(page), None)
        if last is None or last.key != state.key:
            return State(state.current, None, state.newer)
        if last.written <= at:
            return State(state.current, last, state.newer)
