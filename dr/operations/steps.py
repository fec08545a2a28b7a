"""Steps: the one definition from which readiness, dry runs, operations, drills, reports and runbooks are made.

A step says how to see whether it is needed (`evaluate`), what to do (`act`), and how to see that it worked (`verify`).
Running a list of steps twice is safe: a step that is done already is skipped. Every step leaves its mark in
the journal before it acts and after.
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
"""What the steps of one operation work on: clients, contract, options."""

Report = Callable[[str, float | None], None]
"""Called by an action as it goes on: a short text, and the share done between 0 and 1 where that is known."""


class State(StrEnum):
    """Results of `evaluate` and `verify`."""

    DONE = "done"
    """It is as the step wants it."""
    NEEDED = "needed"
    """It is not; the action would change it."""
    UNKNOWN = "unknown"
    """It could not be measured. Never taken for done."""


@dataclass(frozen=True)
class Verdict:
    """The result of evaluating or verifying a step.

    Args:
        state: Done, needed or unknown.
        detail: The fact it rests on, for a person.
    """

    state: State
    detail: str = ""


@dataclass(frozen=True)
class Step(Generic[World]):
    """One thing an operation does.

    Args:
        name: Its stable id, used in the journal: "publish-set".
        title: What a person reads: "Publish the model set".
        evaluate: Looks, changes nothing, says whether the step is needed.
        act: Does it. Must be safe to repeat after it was cut off anywhere.
        verify: Looks again; polled until it says done or the timeout is over. By default the same as `evaluate`.
        timeout: How long `verify` may take to say done, counted from the end of `act`.
        expected: How long the step takes as a rule, for progress and plans; modelled unless a journal says otherwise.
        poll: Pause between two looks of `verify`.
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
        step: The step's name.
        title: The step's title.
        changed: Whether its action ran.
        detail: What the last look said.
        duration: Measured, from the first look to the last.
    """

    step: str
    title: str
    changed: bool
    detail: str
    duration: timedelta


class Watcher(Protocol):
    """Follows a run: a progress bar, or nothing."""

    def started(self, step: Step[World], position: int, total: int) -> None:
        """A step begins; `position` counts from 1."""

    def progress(self, text: str, share: float | None) -> None:
        """The running step reports progress."""

    def finished(self, outcome: Outcome) -> None:
        """A step is done or was not needed."""


@dataclass
class Quiet:
    """A watcher that shows nothing."""

    def started(self, step: Step[World], position: int, total: int) -> None:
        """Shows nothing."""

    def progress(self, text: str, share: float | None) -> None:
        """Shows nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Shows nothing."""


@dataclass
class Runner(Generic[World]):
    """Runs steps in order, each recorded.

    Args:
        journal: Where every step leaves its mark.
        watcher: Sees the run as it goes.
        run: The run's id in the journal; a new one unless a killed run is resumed.
    """

    journal: Journal
    watcher: Watcher = field(default_factory=Quiet)
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def plan(self, steps: Iterable[Step[World]], world: World) -> list[tuple[Step[World], Verdict]]:
        """Evaluate every step and change nothing: the dry run."""
        return [(step, step.evaluate(world)) for step in steps]

    def execute(self, operation: str, steps: Iterable[Step[World]], world: World) -> list[Outcome]:
        """Run the steps that are needed, in order.

        Raises:
            DrError: what a step raised; the journal says which step and why, and those after it did not run.
            Failed: a step's `verify` did not say done within its timeout.
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
                # The journal must show that the step was started.
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
