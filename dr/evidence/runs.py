"""Runs in the recovery region's journal, and their evidence folders on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dr.control.lease import held_by
from dr.control.shared_journal import SharedJournal
from dr.control.state_store import Stored
from dr.drills import document
from dr.errors import DrError, Problem, Refused
from dr.evidence import folder
from dr.evidence.clock import moment
from dr.evidence.run_record import Result, record, with_lease
from dr.operations.step_runner import new_run

READERS = 16
"""Runs that are read at the same time."""


@dataclass(frozen=True)
class RunSummary:
    """A run in a list.

    Args:
        run: Its ID.
        operation: Its operation; "" if it is unknown.
        reason: Reason of the operator; "" if it is unknown.
        by: Who started it; "" if it is unknown.
        opened: Its first entry; None if that is incomplete.
        ended: Its last entry; None while it runs.
        result: How it ended.
        open: Whether its incident is open.
    """

    run: str
    operation: str
    reason: str
    by: str
    opened: datetime | None
    ended: datetime | None
    result: Result
    open: bool

    @property
    def seconds(self) -> float | None:
        """Seconds from the first to the last entry; None while it runs."""
        return (self.ended - self.opened).total_seconds() if self.opened and self.ended else None


def summaries(journal: SharedJournal, stored: Stored, limit: int | None = None) -> list[RunSummary]:
    """Return the runs, the newest first. They are read in parallel.

    Args:
        journal: The recovery region's journal.
        stored: The incident state, and the time of S3.
        limit: Most runs that are read; None for all.

    Raises:
        Unreachable: The region does not answer.
    """
    newest = journal.runs()[::-1][:limit]
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        return list(pool.map(lambda run: _summary(journal, stored, run), newest))


def _summary(journal: SharedJournal, stored: Stored, run: str) -> RunSummary:
    incident, lease = stored.state.incident, held_by(stored)
    is_open = incident is not None and incident.id == run
    first, last = journal.ends(run)
    if first and last and last.event == "run.finished":
        facts = first.data
        operation, reason, by = (str(facts.get(name, "")) for name in ("operation", "reason", "by"))
        return RunSummary(run, operation, reason, by, first.at, last.at, Result.DONE, is_open)
    entries = list(journal.entries(run))
    found = with_lease(record(run, entries), lease is not None and lease.run == run)
    by = found.processes[0][1] if found.processes else ""
    ended = entries[-1].at if entries and found.result is not Result.RUNNING else None
    return RunSummary(run, found.operation, found.reason, by, found.started, ended, found.result, is_open)


def collect(journal_of: Callable[[], SharedJournal], run: str) -> Path:
    """Return the evidence folder of a run, with the journal as the recovery region has it.

    Args:
        journal_of: Returns the recovery region's journal.
        run: ID of the run; "" for the newest.

    Raises:
        Refused: The run does not exist.
        Unreachable: The region does not answer, and this machine has no evidence of the run.
        Failed: The folder cannot be written.
    """
    here = folder.runs()
    try:
        journal = journal_of()
        there = journal.runs()
    except DrError:
        # On the day, evidence of this machine is worth more than the reason why the journal cannot be read.
        wanted = run or _newest(here, [])
        if wanted not in here:
            raise
        return folder.of_run(wanted)
    wanted = run or _newest(here, there)
    if wanted not in (*here, *there):
        fact = f"s3://{journal.bucket} and this machine have no run{f' {run}' if run else ''}"
        newest = sorted({*here, *there})[-3:]
        remedy = f"the newest are {', '.join(newest)}" if newest else "`dr failover` shows a plan"
        raise Refused(Problem("report", fact, remedy))
    place = folder.of_run(wanted)
    # A drill wrote its own journal, which may have several operations.
    if wanted in there and not (place / document.FILE).exists():
        folder.write_journal(place, journal.entries(wanted))
    return place


def _newest(here: Sequence[str], there: Sequence[str]) -> str:
    """Return the newest run; "" without one. A drill is newer than the operations that it ran.

    Args:
        here: Runs with an evidence folder.
        there: Runs in the journal.
    """
    newest = max((*here, *there), default="")
    for run in sorted(here, reverse=True):
        with suppress(OSError, DrError, ValueError):
            ended = moment(document.read(folder.of_run(run)).ended)
            return run if run <= newest <= new_run(ended.astimezone(UTC)) else newest
    return newest
