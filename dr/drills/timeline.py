"""Times of a drill: the environment's clock at times of the machine, and the phases of a recovery time. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dr.operations.steps import Phase


@dataclass(frozen=True)
class Pace:
    """How the environment's clock runs from a time on.

    Args:
        machine: The machine's time.
        clock: The clock's time at that moment.
        speed: Seconds of the clock in a second of the machine.
    """

    machine: datetime
    clock: datetime
    speed: float

    def at(self, machine: datetime) -> datetime:
        """Return the clock's time at a time of the machine."""
        return self.clock + (machine - self.machine) * self.speed

    @staticmethod
    def of(paces: Sequence[Pace], machine: datetime) -> Pace:
        """Return the pace at a time of the machine: the last one that began before it, else the first."""
        return next((each for each in reversed(paces) if each.machine <= machine), paces[0])


@dataclass(frozen=True)
class Span:
    """A period in which a step ran.

    Args:
        phase: Phase of the step.
        start: Its start.
        end: Its end.
    """

    phase: str
    start: datetime
    end: datetime


def decisive(spans: Iterable[Span], moment: datetime) -> Span | None:
    """Return the span that a moment belongs to: of those that run, the one that ends last; None if none runs."""
    running = (each for each in spans if each.start <= moment < each.end)
    return max(running, key=lambda each: (each.end, each.phase), default=None)


def phases(
    fault: datetime, detected: datetime | None, spans: Iterable[Span], recovered: datetime | None
) -> dict[str, float]:
    """Divide a recovery time into phases, in seconds: each moment belongs to one phase, so that they add up to it.

    Before the detection, it is `detect`. Afterwards it is the phase of the running step that ends last; `decide` before
    the first step and between steps, and `DNS` after the last one, while clients follow.

    Args:
        fault: Time of the fault.
        detected: Time of the detection; None if the loss was not detected.
        spans: Steps of the operation.
        recovered: Time of the recovery; None without one.
    """
    if recovered is None or recovered <= fault:
        return {}
    steps = sorted(spans, key=lambda each: each.start)
    known = detected if detected and detected < recovered else recovered
    edges = {fault, known, recovered, *(each.start for each in steps), *(each.end for each in steps)}
    moments = sorted(each for each in edges if fault <= each <= recovered)
    found = {phase.value: 0.0 for phase in Phase}
    for start, end in itertools.pairwise(moments):
        found[_phase(start, known, steps)] += (end - start).total_seconds()
    return {phase: round(seconds, 3) for phase, seconds in found.items()}


def _phase(start: datetime, known: datetime, steps: Sequence[Span]) -> str:
    if start < known:
        return Phase.DETECT
    if running := decisive(steps, start):
        return running.phase
    return Phase.DNS if steps and all(each.end <= start for each in steps) else Phase.DECIDE
