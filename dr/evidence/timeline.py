"""Clients and steps of a run on one time axis. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from dr.evidence.clock import after, moment_or_none
from dr.evidence.reading import Evidence
from dr.evidence.run_record import RunRecord
from dr.evidence.traffic import Period, periods, width_for


@dataclass(frozen=True)
class Span:
    """An attempt of a step on the time axis.

    Args:
        start: Its start in seconds after the origin.
        end: Its end; the end of the axis if it has none.
        outcome: Its outcome.
    """

    start: float
    end: float
    outcome: str


@dataclass(frozen=True)
class Track:
    """A step on the time axis.

    Args:
        number: Its number in the table of steps.
        name: Its name.
        slow: Whether it took longer than expected.
        p75_seconds: Expected duration of three quarters of the earlier runs; None if none measured it.
        spans: Its attempts.
    """

    number: int
    name: str
    slow: bool
    p75_seconds: float | None
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Mark:
    """A moment on the time axis.

    Args:
        at: Seconds after the origin.
        name: "fault" or "recovered".
    """

    at: float
    name: str


@dataclass(frozen=True)
class Timeline:
    """Clients and steps over time, by the machine's clock.

    Args:
        origin: Time of the origin: the fault, else the start of the run.
        start: First second of the axis, relative to the origin.
        end: Last second of the axis.
        width: Length of a period in seconds.
        periods: Requests over time; empty without clients.
        tracks: The steps that started.
        marks: Moments.
    """

    origin: datetime
    start: float
    end: float
    width: int
    periods: tuple[Period, ...]
    tracks: tuple[Track, ...]
    marks: tuple[Mark, ...]


def timeline(evidence: Evidence, run: RunRecord, slow: Collection[str] = ()) -> Timeline | None:
    """Return the timeline of a run; None if neither a request nor a step is known.

    Args:
        evidence: The evidence of the run.
        run: The run, as its journal records it.
        slow: Names of steps that took longer than expected.
    """
    drill, requests = evidence.document, evidence.requests
    moments = [each.sent for each in requests]
    moments += [time for step in run.steps for each in step.attempts for time in (each.started, each.ended) if time]
    if not moments:
        return None
    fault = moment_or_none(drill.fault_at) if drill else None
    origin = fault or run.started or moments[0]
    recovered = None
    if fault and drill and drill.rto_seconds is not None:
        modelled = bool({"rto", "rto_seconds"} & {*drill.modelled})
        recovered = after(fault, drill.rto_seconds, modelled, requests)
    marked = [(name, at) for name, at in (("fault", fault), ("recovered", recovered)) if at]

    def at(time: datetime) -> float:
        return round((time - origin).total_seconds(), 3)

    if fault:
        moments.append(fault)
    # A recovery beyond the log was calculated, and no request shows where it is.
    marked = [(name, time) for name, time in marked if time <= max(moments)]
    start, end = at(min(moments)), at(max(moments))
    end = max(end, start + 1.0)
    width = width_for(end - start)
    return Timeline(
        origin=origin,
        start=start,
        end=end,
        width=width,
        periods=periods(requests, origin, width),
        tracks=_tracks(run, origin, end, slow),
        marks=tuple(Mark(at(time), name) for name, time in marked),
    )


def _tracks(run: RunRecord, origin: datetime, end: float, slow: Collection[str]) -> tuple[Track, ...]:
    found = []
    for number, step in enumerate(run.steps, start=1):
        spans = tuple(
            Span(
                round((each.started - origin).total_seconds(), 3),
                round((each.ended - origin).total_seconds(), 3) if each.ended else end,
                each.outcome,
            )
            for each in step.attempts
            if each.started
        )
        expected = step.expected
        p75 = expected.p75.total_seconds() if expected and expected.measured else None
        if spans:
            found.append(Track(number, step.name, step.name in slow, p75, spans))
    return tuple(found)
