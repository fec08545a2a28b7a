"""Where the time of a run went, by phase. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dr.drills.timeline import Span, decisive
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
        Span(step.phase or "other", attempt.started, attempt.ended)
        for step in steps
        for attempt in step.attempts
        if attempt.started and attempt.ended and attempt.ended > attempt.started
    ]
    moments = sorted({time for each in spans for time in (each.start, each.end)})
    found: dict[str, float] = {}
    for begin, until in pairwise(moments):
        running = decisive(spans, begin)
        phase = running.phase if running else IDLE
        found[phase] = found.get(phase, 0.0) + (until - begin).total_seconds()
    return {phase: round(seconds, 3) for phase, seconds in found.items()}
