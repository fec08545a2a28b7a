"""Steps: the single definition for readiness, dry runs, operations, drills, reports and runbooks.

A step defines how to check whether it is needed (`evaluate`), what to do (`act`) and how to check the result
(`verify`). Running a list of steps twice is safe: completed steps are skipped. Each step is recorded in the journal
before and after its action.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from dr.control.journal import Journal
from dr.errors import DrError, Failed, Problem

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


@dataclass(frozen=True)
class Verdict:
    """The result of evaluating or verifying a step.

    Args:
        state: Done, needed or unknown.
        detail: The measured fact, as text.
    """

    state: State
    detail: str = ""


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
        expected: Typical duration, for progress and plans; an estimate unless a journal has a measured value.
        poll: Pause between two calls of `verify`.
    """

    name: str
    title: str
    evaluate: Callable[[World], Verdict]
    act: Callable[[World, Report], None]
    verify: Callable[[World], Verdict] | None = None
    timeout: timedelta = timedelta(minutes=5)
    expected: timedelta = timedelta(seconds=1)
    poll: timedelta = timedelta(milliseconds=200)


@dataclass(frozen=True)
class Outcome:
    """The result of one step.

    Args:
        step: Name of the step.
        title: Title of the step.
        changed: Whether the action ran.
        detail: Detail of the last verdict.
        duration: Measured time from the first check to the last.
    """

    step: str
    title: str
    changed: bool
    detail: str
    duration: timedelta


class Watcher(Protocol):
    """Observer of a run, such as a progress bar."""

    def started(self, step: Step[World], position: int, total: int) -> None:
        """Called when a step starts; `position` counts from 1."""

    def progress(self, text: str, share: float | None) -> None:
        """Called when the running step reports progress."""

    def finished(self, outcome: Outcome) -> None:
        """Called when a step is done or was skipped."""


@dataclass
class Quiet:
    """A watcher without output."""

    def started(self, step: Step[World], position: int, total: int) -> None:
        """Shows nothing."""

    def progress(self, text: str, share: float | None) -> None:
        """Shows nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Shows nothing."""


@dataclass
class Runner(Generic[World]):
    """Runs steps in order and records each in the journal.

    Args:
        journal: Journal of the steps.
        watcher: Observer of the run.
        run: ID of the run in the journal. Pass the ID of an interrupted run to resume it.
    """

    journal: Journal
    watcher: Watcher = field(default_factory=Quiet)
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def plan(self, steps: Iterable[Step[World]], world: World) -> list[tuple[Step[World], Verdict]]:
        """Evaluate every step without acting (dry run)."""
        return [(step, step.evaluate(world)) for step in steps]

    def execute(self, operation: str, steps: Iterable[Step[World]], world: World) -> list[Outcome]:
        """Run the steps that are needed, in order.

        Raises:
            DrError: A step raised it. The journal records the step and the error; later steps did not run.
            Failed: `verify` of a step did not return done within its timeout.
        """
        listed = list(steps)
        self.journal.append(self.run, "run.started", operation=operation, steps=[step.name for step in listed])
        outcomes = []
        for position, step in enumerate(listed, 1):
            self.watcher.started(step, position, len(listed))
            try:
                outcome = self._execute_one(step, world)
            except DrError as error:
                self.journal.append(self.run, "step.failed", step.name, error=str(error))
                raise
            except BaseException as error:
                # Includes KeyboardInterrupt: the journal must record which step was interrupted.
                self.journal.append(self.run, "step.interrupted", step.name, error=f"{type(error).__name__}: {error}")
                raise
            self.watcher.finished(outcome)
            outcomes.append(outcome)
        self.journal.append(self.run, "run.finished", operation=operation)
        return outcomes

    def _execute_one(self, step: Step[World], world: World) -> Outcome:
        began = time.monotonic()
        verdict = step.evaluate(world)
        changed = verdict.state is not State.DONE
        if changed:
            self.journal.append(self.run, "step.started", step.name, was=verdict.state, detail=verdict.detail)
            step.act(world, self.watcher.progress)
            verdict = self._verify(step, world)
        duration = timedelta(seconds=time.monotonic() - began)
        event = "step.done" if changed else "step.skipped"
        self.journal.append(
            self.run, event, step.name, detail=verdict.detail, seconds=round(duration.total_seconds(), 3)
        )
        return Outcome(step.name, step.title, changed, verdict.detail, duration)

    def _verify(self, step: Step[World], world: World) -> Verdict:
        look = step.verify or step.evaluate
        deadline = time.monotonic() + step.timeout.total_seconds()
        while True:
            verdict = look(world)
            if verdict.state is State.DONE:
                return verdict
            if time.monotonic() >= deadline:
                raise Failed(
                    Problem(
                        step.title,
                        f"not done after {step.timeout.total_seconds():.0f} s: {verdict.detail or verdict.state}",
                        "fix the reported problem, then run the command again; completed steps are skipped",
                    )
                )
            self.watcher.progress(verdict.detail or "waiting", None)
            time.sleep(step.poll.total_seconds())
