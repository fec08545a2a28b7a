"""Steps: the single definition for readiness, plans, operations, drills, reports and runbooks.

A step defines how to check whether it is needed (`evaluate`), what to do (`act`) and how to check the result
(`verify`). Running a list of steps twice is safe: completed steps are skipped. `dr.operations.step_runner` runs
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any, Generic, TypeVar

UPPER_QUARTILE = 1.5
"""Upper quartile of a step's duration as a multiple of its median, where it is not measured: an estimate."""
World = TypeVar("World")
"""Context of the steps of one operation: clients, contract, options."""

Report = Callable[[str, float | None], None]
"""Progress callback of an action: a short text, and the completed share between 0 and 1 if it is known."""


class State(StrEnum):
    """Results of `evaluate` and `verify`."""

    DONE = "done"
    """The desired state is reached."""
    NEEDED = "needed"
    """The desired state is not reached; the action would change it."""
    UNKNOWN = "unknown"
    """The state could not be measured. It is never treated as done."""


class Phase(StrEnum):
    """Parts of a recovery time."""

    DETECT = "detect"
    DECIDE = "decide"
    CAPACITY = "capacity"
    DATA = "data"
    DNS = "DNS"
    VERIFY = "verify"


@dataclass(frozen=True)
class Verdict:
    """The result of evaluating or verifying a step.

    Args:
        state: Done, needed or unknown.
        detail: The measured fact, as text.
        loses: Data that acting would lose, each by name and age.
    """

    state: State
    detail: str = ""
    loses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """Expected duration of a step.

    Args:
        p50: Half of the runs take at most this long.
        p75: Three quarters of the runs do; a step that takes longer is shown as slow.
        source: Origin of the figures: "3 earlier runs", or the source of a modelled one.
        measured: Whether earlier runs measured them.
    """

    p50: timedelta
    p75: timedelta
    source: str
    measured: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the duration as JSON values: in a journal, a plan and a report."""
        return {
            "p50_seconds": self.p50.total_seconds(),
            "p75_seconds": self.p75.total_seconds(),
            "source": self.source,
            "measured": self.measured,
        }


def expected_from(values: Mapping[str, Any]) -> Expected | None:
    """Return an expected duration from its JSON values; None if they are not complete."""
    try:
        p50, p75 = (timedelta(seconds=float(values[name])) for name in ("p50_seconds", "p75_seconds"))
        return Expected(p50, p75, str(values["source"]), values["measured"] is True)
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Step(Generic[World]):
    """One step of an operation.

    Args:
        name: Stable ID in the journal: "publish-set".
        title: Title in output: "Publish the model set".
        evaluate: Read-only check whether the step is needed.
        act: Performs the step. It must be safe to repeat after an interruption at any point.
        verify: Read-only check of the result, polled until it returns done or the timeout ends. Defaults to `evaluate`.
        timeout: How long `verify` may take to return done, counted from the end of `act`.
        expected: Typical duration, modelled: a journal's measured one replaces it.
        source: Source of `expected`; "" for an estimate.
        poll: Pause between two calls of `verify`.
        after: Names of the steps that must be done before; None: the step before it in the list.
        phase: Part of the recovery time that the step belongs to.
        slow: What to look at when the step takes longer than expected.
        without: Consequence of skipping the step; "" if it cannot be skipped.
    """

    name: str
    title: str
    evaluate: Callable[[World], Verdict]
    act: Callable[[World, Report], None]
    verify: Callable[[World], Verdict] | None = None
    timeout: timedelta = timedelta(minutes=5)
    expected: timedelta = timedelta(seconds=1)
    source: str = ""
    poll: timedelta = timedelta(milliseconds=200)
    after: tuple[str, ...] | None = None
    phase: Phase = Phase.DECIDE
    slow: str = ""
    without: str = ""


def dependencies(steps: Sequence[Step[Any]]) -> dict[str, tuple[str, ...]]:
    """Return the names of the steps that each step waits for, by name, in an order in which they can run. Pure.

    Raises:
        ValueError: Two steps have one name, a dependency does not exist, or the dependencies form a circle.
    """
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        raise ValueError(f"step names are not unique: {', '.join(names)}")
    found: dict[str, tuple[str, ...]] = {}
    for position, step in enumerate(steps):
        before = (names[position - 1],) if position else ()
        found[step.name] = before if step.after is None else step.after
        if unknown := set(found[step.name]) - set(names):
            raise ValueError(f"step {step.name} waits for {', '.join(sorted(unknown))}, which does not exist")
    try:
        order = list(TopologicalSorter(found).static_order())
    except CycleError as error:
        raise ValueError(f"steps wait for each other: {' -> '.join(error.args[1])}") from error
    return {name: found[name] for name in order}


def modelled(step: Step[Any]) -> Expected:
    """Return the modelled duration of a step. Its upper quartile is half as long again."""
    return Expected(step.expected, step.expected * UPPER_QUARTILE, step.source or "an estimate")


def critical_path(steps: Sequence[Step[Any]], durations: Mapping[str, timedelta]) -> tuple[tuple[str, ...], timedelta]:
    """Return the chain of steps that determines the duration of all, and that duration. Pure.

    Args:
        steps: The steps.
        durations: Duration by name.
    """
    ends: dict[str, tuple[timedelta, tuple[str, ...]]] = {}
    for name, before in dependencies(steps).items():
        start, chain = max((ends[each] for each in before), default=(timedelta(0), ()))
        ends[name] = (start + durations[name], (*chain, name))
    if not ends:
        return (), timedelta(0)
    whole, chain = max(ends.values(), key=lambda end: end[0])
    return chain, whole
