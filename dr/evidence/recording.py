"""Records an operation: its evidence folder is written when it ends, also when a step failed.

An error of the recording never hides the result of the operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from dr.control import shared_journal
from dr.control.journal import Entry
from dr.errors import DrError, Refused
from dr.evidence import folder
from dr.operations import fingerprint
from dr.operations.measurements import Alarm, read_alarms
from dr.operations.scene import Scene

Value = TypeVar("Value")

PATIENCE = 10.0
"""Seconds in which the recovery region has to answer after the operation; then the facts are unknown."""


class Recording:
    """Writes the evidence folder of an operation at the end of its block. Calls nothing but the recovery region.

    Args:
        scene: The recovery region.
        run: ID of the run.
        versions: Versions of what runs, by name.
    """

    def __init__(self, scene: Scene, run: str, versions: Mapping[str, str]) -> None:
        self._scene, self._run, self._versions = scene, run, versions
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="evidence")
        self.page: Path | None = None
        """The report; None if it could not be written, or if nothing ran."""
        self.problem = ""
        """Reason of a missing report; "" without an error."""

    def __enter__(self) -> Recording:
        """Read the alarms, while the operation starts."""
        self._before = self._pool.submit(self._alarms)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the folder and its report, unless nothing ran."""
        try:
            # After a refusal, nothing ran here; another process may continue the run, and writes its report.
            if not isinstance(error, Refused):
                self._write()
        except Exception as problem:  # noqa: BLE001 - the result of the operation is what counts
            self.problem = problem.problems[0].fact if isinstance(problem, DrError) else f"{problem}"
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _write(self) -> None:
        after, parts = self._pool.submit(self._alarms), self._pool.submit(self._fingerprint)
        entries = _value(self._pool.submit(self._entries)) or self._local()
        if not entries:
            return
        place = folder.of_run(self._run)
        folder.write_journal(place, entries)
        folder.write_alarms(place, _value(self._before), _value(after))
        found = _value(parts)
        folder.write_versions(place, {**self._versions, **(found or {})})
        self.page = folder.write_report(place)

    def _alarms(self) -> tuple[Alarm, ...]:
        return read_alarms(self._scene.region, self._scene.topology.bucket_prefix).alarms

    def _entries(self) -> list[Entry]:
        return list(shared_journal.of_topology(self._scene.topology).entries(self._run))

    def _local(self) -> list[Entry]:
        """Return the entries that this machine wrote: a resumed run has others, too."""
        return list(shared_journal.of_topology(self._scene.topology).local.entries(self._run))

    def _fingerprint(self) -> dict[str, str]:
        return fingerprint.of(self._scene).versions


def _value(pending: Future[Value]) -> Value | None:
    """Return the result of a call; None if it failed or is late."""
    try:
        return pending.result(PATIENCE)
    except (DrError, LateError):
        return None
