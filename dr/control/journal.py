"""An append-only record of operations with timestamps: one JSON object an entry.

Reports and measured recovery times of drills and failovers are computed from the journal, and an interrupted run
resumes by reading it. An entry is written before the step that it announces starts. `dr.control.shared_journal` writes
it to the recovery region too.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from dr.errors import Failed, Problem


@dataclass(frozen=True)
class Entry:
    """One line of a journal.

    Args:
        at: Time of writing, UTC.
        run: ID of the run: one invocation of an operation, and its resumptions.
        event: What happened: "run.started", "step.done", ...
        step: The step; "" for the whole run.
        data: Facts, JSON values only.
    """

    at: datetime
    run: str
    event: str
    step: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the entry as one line of JSON, without a line break."""
        record: dict[str, Any] = {
            "at": self.at.isoformat(timespec="milliseconds"),
            "run": self.run,
            "event": self.event,
        }
        if self.step:
            record["step"] = self.step
        if self.data:
            record["data"] = dict(self.data)
        return json.dumps(record)


def parsed(text: str | bytes) -> Entry | None:
    """Return the entry of a line or an object; None for an incomplete one."""
    try:
        record = json.loads(text)
        return Entry(
            datetime.fromisoformat(record["at"]),
            record["run"],
            record["event"],
            record.get("step", ""),
            record.get("data", {}),
        )
    except (ValueError, KeyError, TypeError):
        return None


class Journal(Protocol):
    """Where a run is recorded."""

    def append(self, run: str, event: str, step: str = "", **data: Any) -> Entry:
        """Write one entry, and return once it is durable. Raises Failed if it cannot be written."""


class LocalJournal:
    """A journal in a local file. Appends are flushed to disk; lines are never rewritten.

    Args:
        path: The file; its folder is created with the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, run: str, event: str, step: str = "", **data: Any) -> Entry:
        """Write one line and wait until it is on disk.

        Raises:
            Failed: The file cannot be written, for example on a full disk; the operation must not continue.
        """
        entry = Entry(datetime.now(UTC), run, event, step, data)
        self.write(entry)
        return entry

    def write(self, entry: Entry) -> None:
        """Write an entry. Raises as `append`."""
        try:
            with self._lock:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(entry.to_json() + "\n")
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise Failed(
                Problem(
                    str(self.path),
                    f"the journal cannot be written: {error.strerror}",
                    "free some disk space or make the folder writable; no step runs without its record",
                )
            ) from error

    def entries(self, run: str | None = None) -> Iterator[Entry]:
        """Yield all entries in order, or those of one run; an incomplete last line of an interrupted run is skipped."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                if (entry := parsed(line)) and run in (None, entry.run):
                    yield entry
