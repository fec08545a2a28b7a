"""Where the time of a run went, by phase. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from dr.evidence.run_record import StepRecord

IDLE = "no step"
"""Time in which no step ran: between an interruption and the resumption."""


def phases(steps: Sequence[StepRecord]) -> dict[str, float]:
    """Return the seconds of a run by phase; together they are the time from the first start to the last end.

    Steps run together. Each moment belongs to the running step that ends last, which the others do not delay.

    Args:
        steps: The steps of the run.
    """
    spans = [
        (attempt.started, attempt.ended, step.phase or "other")
        for step in steps
        for attempt in step.attempts
        if attempt.started and attempt.ended and attempt.ended > attempt.started
    ]
    moments = sorted({time for start, end, _ in spans for time in (start, end)})
    found: dict[str, float] = {}
    for begin, until in pairwise(moments):
        phase = _dominant(spans, begin, until)
        found[phase] = found.get(phase, 0.0) + (until - begin).total_seconds()
    return {phase: round(seconds, 3) for phase, seconds in found.items()}


def _dominant(spans: Sequence[tuple[datetime, datetime, str]], begin: datetime, until: datetime) -> str:
    running = [(end, phase) for start, end, phase in spans if start <= begin and end >= until]
    return max(running)[1] if running else IDLE
