"""A run as its journal records it: attempts of each step, decisions, and the result. Pure.

A run that was interrupted is resumed under the same ID, so a step may have several attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dr.control.journal import Entry
from dr.errors import Failed
from dr.operations.steps import Expected, Step, expected_from


class Result(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    """It is not finished. From the journal alone: no step failed, so it runs or its process was killed."""


ENDS = {
    "step.done": "done",
    "step.unneeded": "unneeded",
    "step.forced": "forced",
    "step.skipped": "skipped",
    "step.failed": "failed",
    "step.interrupted": "interrupted",
    "step.stopped": "stopped",
}
"""Outcome of a step's attempt by the event that ends it."""
SETTLED = ("done", "forced", "skipped")
OPEN, WAITING = "unfinished", "not started"


@dataclass(frozen=True)
class Attempt:
    """One attempt of a step.

    Args:
        started: Its start; None if it is unknown.
        ended: Its end; None if the journal has none.
        outcome: A value of `ENDS`, or "unfinished".
        detail: What was measured, or the error.
    """

    started: datetime | None
    ended: datetime | None
    outcome: str
    detail: str = ""

    @property
    def seconds(self) -> float | None:
        """Measured duration in seconds."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None


@dataclass(frozen=True)
class StepRecord:
    """A step of a run.

    Args:
        name: Its name.
        title: Its title.
        phase: Part of the recovery time that it belongs to; "" if it is unknown.
        expected: Expected duration; None if it is unknown.
        attempts: Its attempts, oldest first.
        reported_slow: Whether it was reported as slow while it ran.
        look: What to look at when it is slow.
        loses: Data that it was to lose, by name and age.
    """

    name: str
    title: str
    phase: str = ""
    expected: Expected | None = None
    attempts: tuple[Attempt, ...] = ()
    reported_slow: bool = False
    look: str = ""
    loses: tuple[str, ...] = ()

    @property
    def decisive(self) -> Attempt | None:
        """The attempt that settled the step: the last one that changed something, else the last one."""
        settled = [each for each in self.attempts if each.outcome in SETTLED]
        candidates = settled or self.attempts
        return candidates[-1] if candidates else None

    @property
    def outcome(self) -> str:
        """Its outcome: one of `ENDS`, "unfinished" or "not started"."""
        return self.decisive.outcome if self.decisive else WAITING


@dataclass(frozen=True)
class DecisionRecord:
    """What an operator decided.

    Args:
        kind: "skipped", "forced" or "accepted".
        subject: Name of the step, or of the guard.
        by: Who decided; "" if it is unknown.
        reason: Why; "" if it is unknown.
        consequence: What the skipped step or the accepted guard means.
    """

    kind: str
    subject: str
    by: str
    reason: str
    consequence: str = ""


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Args:
        run: Its ID.
        operation: Its operation; "" if it is unknown.
        region: The recovery region; "" if it is unknown.
        tier: Deployed tier at its start; "" if it is unknown.
        reason: Reason that the operator gave; "" if it is unknown.
        processes: Process and time of each start: the first one, then those that resumed the run.
        started: Its first entry; None without one.
        ended: Its last entry, if it ended; else None.
        result: How it ended.
        error: The last error of a step; "" if it is done.
        steps: Its steps, in the order of the operation.
        decisions: What operators decided.
    """

    run: str
    operation: str = ""
    region: str = ""
    tier: str = ""
    reason: str = ""
    processes: tuple[tuple[datetime, str], ...] = ()
    started: datetime | None = None
    ended: datetime | None = None
    result: Result = Result.RUNNING
    error: str = ""
    steps: tuple[StepRecord, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()

    @property
    def duration(self) -> timedelta | None:
        """Time from the first to the last entry; None while it is not finished."""
        return self.ended - self.started if self.started and self.ended else None


def record(run: str, entries: Sequence[Entry], definitions: Mapping[str, Step[Any]] | None = None) -> RunRecord:
    """Return a run from its entries.

    Args:
        run: ID of the run.
        entries: Its entries, in order. Those of other runs are ignored.
        definitions: Steps of the operation by name, for titles and phases.
    """
    own = [each for each in entries if each.run == run]
    if not own:
        return RunRecord(run)
    starts = [each for each in own if each.event == "run.started"]
    facts: dict[str, Any] = {}
    for start in starts:
        facts |= {name: value for name, value in start.data.items() if value}
    result, error = _result(own)
    return RunRecord(
        run=run,
        operation=str(facts.get("operation", "")),
        region=str(facts.get("region", "")),
        tier=str(facts.get("tier", "")),
        reason=str(facts.get("reason", "")),
        processes=tuple((each.at, str(each.data.get("by", ""))) for each in starts),
        started=own[0].at,
        ended=own[-1].at if result is not Result.RUNNING else None,
        result=result,
        error=error,
        steps=_steps(own, facts, definitions or {}),
        decisions=tuple(_decisions(own)),
    )


def _result(entries: Sequence[Entry]) -> tuple[Result, str]:
    """Return the result of the last process that ran, and its error."""
    last_start = max((index for index, each in enumerate(entries) if each.event == "run.started"), default=0)
    since = entries[last_start:]
    if any(each.event == "run.finished" for each in since):
        return Result.DONE, ""
    for event, result in (("step.failed", Result.FAILED), ("step.interrupted", Result.INTERRUPTED)):
        errors = [each for each in since if each.event == event]
        if errors:
            return result, str(errors[-1].data.get("error", "")).removeprefix(f"{Failed.kind}: ")
    return Result.RUNNING, ""


@dataclass
class _Open:
    """Attempts of a step, while the journal is read."""

    attempts: list[Attempt] = field(default_factory=list)
    slow: bool = False
    loses: tuple[str, ...] = ()

    def start(self, entry: Entry) -> None:
        self.loses = tuple(map(str, entry.data.get("loses", ()))) or self.loses
        self.attempts.append(Attempt(entry.at, None, OPEN, str(entry.data.get("detail", ""))))

    def cut(self, at: datetime) -> None:
        if self.attempts and self.attempts[-1].outcome == OPEN:
            self.attempts[-1] = replace(self.attempts[-1], ended=at, outcome=ENDS["step.interrupted"])

    def end(self, entry: Entry) -> None:
        facts = entry.data
        # The text of an error begins with its family.
        error = str(facts.get("error", "")).removeprefix(f"{Failed.kind}: ")
        detail = error or str(facts.get("detail") or facts.get("reason") or "")
        is_open = bool(self.attempts) and self.attempts[-1].outcome == OPEN
        before = self.attempts.pop() if is_open else None
        started = before.started if before else entry.at
        if isinstance(seconds := facts.get("seconds"), int | float):
            started = entry.at - timedelta(seconds=seconds)
        self.attempts.append(Attempt(started, entry.at, ENDS[entry.event], detail))


def _steps(
    entries: Iterable[Entry], facts: Mapping[str, Any], definitions: Mapping[str, Step[Any]]
) -> tuple[StepRecord, ...]:
    listed = [str(each) for each in facts.get("steps", ())]
    found: dict[str, _Open] = {name: _Open() for name in listed}
    for entry in entries:
        if entry.event == "run.started":
            # The process before was killed, and its attempts have no entry of their end.
            for step in found.values():
                step.cut(entry.at)
        if not entry.step:
            continue
        step = found.setdefault(entry.step, _Open())
        if entry.event == "step.started":
            step.start(entry)
        elif entry.event == "step.slow":
            step.slow = True
        elif entry.event in ENDS:
            step.end(entry)
    expected: Mapping[str, Any] = facts.get("expected", {})
    records = []
    for name, step in found.items():
        known = definitions.get(name)
        records.append(
            StepRecord(
                name=name,
                title=known.title if known else name,
                phase=known.phase.value if known else "",
                expected=expected_from(expected.get(name, {})),
                attempts=tuple(step.attempts),
                reported_slow=step.slow,
                look=known.slow if known else "",
                loses=step.loses,
            )
        )
    return tuple(records)


def _decisions(entries: Iterable[Entry]) -> Iterable[DecisionRecord]:
    """Yield each decision once: a resumed run may repeat it."""
    found: dict[tuple[str, str], DecisionRecord] = {}
    kinds: dict[str, tuple[str, Callable[[Entry], str], str]] = {
        "step.skipped": ("skipped", lambda entry: entry.step, "without"),
        "step.forced": ("forced", lambda entry: entry.step, "detail"),
        "guard.accepted": ("accepted", lambda entry: str(entry.data.get("guard", "")), "fact"),
    }
    for entry in entries:
        if entry.event in kinds:
            kind, subject, consequence = kinds[entry.event]
            made = DecisionRecord(
                kind,
                subject(entry),
                *(str(entry.data.get(name, "")) for name in ("by", "reason", consequence)),
            )
            found[kind, made.subject] = made
    return found.values()


def with_lease(found: RunRecord, holds_lease: bool) -> RunRecord:
    """Return a run that is not finished as running if a process holds its lease, else as interrupted."""
    if found.result is not Result.RUNNING or holds_lease:
        return found
    return replace(found, result=Result.INTERRUPTED)
