"""The journal in the recovery region's control bucket: one object an entry, never overwritten.

Entries of a run are numbered, and each number is written once, by a conditional write. So two processes cannot both go
on with a run without noticing it, and any machine can read and continue it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from dr.clients import Conflict, calls, client, object_keys, read_object, write_once
from dr.control import local_state
from dr.control.journal import Entry, LocalJournal, parsed
from dr.errors import Problem, Refused
from dr.names import CONTROL
from dr.topology.topology import Role, Topology

PREFIX = "journal/"
READERS = 16


class SharedJournal:
    """A journal in a bucket, with a copy on disk.

    Args:
        region: The recovery region.
        bucket: Its control bucket.
        local: Copy on this machine, written first.
    """

    def __init__(self, region: str, bucket: str, local: LocalJournal) -> None:
        self.region, self.bucket, self.local = region, bucket, local
        self._lock = threading.Lock()
        self._next: dict[str, int] = {}

    def append(self, run: str, event: str, step: str = "", **data: Any) -> Entry:
        """Write one entry to disk, then to the bucket.

        Raises:
            Refused: Another process wrote an entry with this number: it continues the run.
            Unreachable: The region does not answer.
            Failed: The entry cannot be written; the operation must not continue.
        """
        entry = Entry(datetime.now(UTC), run, event, step, data)
        with self._lock:
            number = self._next.get(run)
            if number is None:
                number = len(self._keys(run))
            self.local.write(entry)
            self._put(entry, number)
            self._next[run] = number + 1
        return entry

    def runs(self) -> list[str]:
        """Return the IDs of all runs. They begin with the time of their start, so the newest is the last.

        Raises:
            Unreachable: The region does not answer.
        """
        with calls(f"s3://{self.bucket}/{PREFIX}", self.region):
            pages = client("s3", self.region).get_paginator("list_objects_v2")
            found = [
                each["Prefix"].removeprefix(PREFIX).rstrip("/")
                for page in pages.paginate(Bucket=self.bucket, Prefix=PREFIX, Delimiter="/")
                for each in page.get("CommonPrefixes", ())
            ]
        return sorted(found)

    def entries(self, run: str) -> Iterator[Entry]:
        """Yield the entries of a run in order.

        Raises:
            Unreachable: The region does not answer.
        """
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            for text in pool.map(lambda key: read_object(self.region, self.bucket, key), self._keys(run)):
                if entry := parsed(text):
                    yield entry

    def ends(self, run: str) -> tuple[Entry | None, Entry | None]:
        """Return the first and the last entry of a run; None for one that is missing or incomplete.

        Raises:
            Unreachable: The region does not answer.
        """
        keys = self._keys(run)
        if not keys:
            return None, None
        first, last = (parsed(read_object(self.region, self.bucket, key)) for key in (keys[0], keys[-1]))
        return first, last

    def _keys(self, run: str) -> list[str]:
        return object_keys(self.region, self.bucket, f"{PREFIX}{run}/")

    def _put(self, entry: Entry, number: int) -> None:
        try:
            write_once(self.region, self.bucket, f"{PREFIX}{entry.run}/{number:06}.json", entry.to_json().encode())
        except Conflict as error:
            fact = f"entry {number} of run {entry.run} was written by another process, which continues the run"
            raise Refused(
                Problem("the journal", fact, "nothing more is done here; `dr journal` shows what the other one does")
            ) from error


def of_topology(topology: Topology) -> SharedJournal:
    """Return the journal of a topology: in the recovery region's control bucket, with a copy on this machine."""
    local = LocalJournal(local_state.folder() / "journal.jsonl")
    return SharedJournal(topology.recovery.region, topology.bucket(CONTROL, Role.RECOVERY), local)
