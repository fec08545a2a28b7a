"""Runs steps, independent ones together, and records each in the journal before and after its action."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Generic, Protocol

from dr.control.journal import Journal
from dr.errors import DrError, Failed, Problem, Refused
from dr.operations.steps import (
    UPPER_QUARTILE,
    Expected,
    Report,
    State,
    Step,
    Verdict,
    World,
    dependencies,
    modelled,
)

WORKERS = 8
ENOUGH_RUNS = 4
"""Runs that measure an upper quartile. With fewer, every second step would be reported as slow by a fraction."""
LOOK_SECONDS = 0.5
"""Interval at which running steps are compared with their expected duration."""


class Intervention(StrEnum):
    """What an operator decides about a step."""

    SKIP = "skip"
    """The step does not run."""
    FORCE = "force"
    """The step counts as done although its result could not be verified."""


@dataclass(frozen=True)
class Decision:
    """An operator's decision about a step.

    Args:
        kind: Skip or force.
        author: Who decided.
        reason: Why.
    """

    kind: Intervention
    author: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The result of one step.

    Args:
        step: Name of the step.
        title: Title of the step.
        changed: Whether the action ran.
        detail: Detail of the last verdict.
        started: When the first check started.
        duration: Measured time from the first check to the last.
        decision: The operator's decision that was applied; None without one.
    """

    step: str
    title: str
    changed: bool
    detail: str
    started: datetime
    duration: timedelta
    decision: Decision | None = None

    @property
    def confirmed(self) -> bool:
        """Whether the action ran and its result was confirmed, so that its duration is a measurement."""
        return self.changed and self.decision is None

    @property
    def word(self) -> str:
        """The result in one word."""
        if self.decision:
            return "skipped" if self.decision.kind is Intervention.SKIP else "forced"
        return "done" if self.changed else "unneeded"


class StoppedError(Exception):
    """A step stopped waiting for its confirmation, because another one failed or the run was interrupted."""


class Watcher(Protocol):
    """Observer of a run, such as a progress bar. Steps that run together call it from several threads."""

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Called when a step starts; `position` counts from 1."""

    def progress(self, step: Step[Any], text: str, share: float | None) -> None:
        """Called when a running step reports progress."""

    def slow(self, step: Step[Any], running: timedelta, expected: Expected) -> None:
        """Called once when a step takes longer than three quarters of the earlier runs."""

    def finished(self, outcome: Outcome) -> None:
        """Called when a step is done or was skipped."""


@dataclass
class Quiet:
    """A watcher without output."""

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Shows nothing."""

    def progress(self, step: Step[Any], text: str, share: float | None) -> None:
        """Shows nothing."""

    def slow(self, step: Step[Any], running: timedelta, expected: Expected) -> None:
        """Shows nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Shows nothing."""


def new_run(at: datetime | None = None) -> str:
    """Return the ID of a new run. IDs sort by time."""
    return f"{at or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def _no_fence() -> None:
    """Allow every act."""


@dataclass
class StepRunner(Generic[World]):
    """Runs steps and records each in the journal.

    Args:
        journal: Journal of the steps.
        watcher: Observer of the run.
        run: ID of the run in the journal. Pass the ID of an interrupted run to resume it.
        fence: Called before each act; raises if this process may not act any more.
        expected: Expected durations by step's name, measured by earlier runs; the others are modelled.
        decisions: Decisions of the operator by step's name.
        about: Facts about the run for its first entry: region, author, reason.
    """

    journal: Journal
    watcher: Watcher = field(default_factory=Quiet)
    run: str = field(default_factory=new_run)
    fence: Callable[[], None] = _no_fence
    expected: Mapping[str, Expected] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set by an error or by Ctrl-C: steps that wait for a confirmation end."""

    def execute(self, operation: str, steps: Iterable[Step[World]], world: World) -> list[Outcome]:
        """Run the steps that are needed. A step starts when all steps that it waits for are done.

        After an error no further step starts. Those that run beside the failed one complete their action, and do not
        wait for its confirmation.

        Raises:
            Refused: A decision names a step that does not exist or cannot be skipped; nothing has run.
            DrError: A step raised it. The journal records the step and the error.
            Failed: `verify` of a step did not return done within its timeout.
        """
        listed = list(steps)
        after = dependencies(listed)
        self._check_decisions(listed)
        expected = {step.name: self.expected_of(step).to_dict() for step in listed}
        names = [step.name for step in listed]
        self.journal.append(self.run, "run.started", operation=operation, steps=names, expected=expected, **self.about)
        outcomes = _Run(self, listed, after, world).outcomes()
        seconds = {each.step: round(each.duration.total_seconds(), 3) for each in outcomes if each.confirmed}
        self.journal.append(self.run, "run.finished", operation=operation, seconds=seconds)
        return outcomes

    def expected_of(self, step: Step[World]) -> Expected:
        """Return the expected duration of a step: measured by earlier runs, else modelled."""
        return self.expected.get(step.name) or modelled(step)

    def _check_decisions(self, steps: Sequence[Step[World]]) -> None:
        known = {step.name: step for step in steps}
        problems = []
        for name, decision in self.decisions.items():
            if name not in known:
                fact = f"this operation has no step {name}"
                problems.append(Problem(f"--{decision.kind} {name}", fact, f"its steps are {', '.join(known)}"))
            elif decision.kind is Intervention.SKIP and not known[name].without:
                fact = f"{known[name].title}: it cannot be skipped, because later steps rely on it"
                problems.append(Problem(f"--skip {name}", fact, f"`--force {name}` continues without its confirmation"))
        if problems:
            raise Refused(*problems)

    def one(self, step: Step[World], world: World, report: Report) -> Outcome:
        """Run one step."""
        started, began, decision = datetime.now(UTC), time.monotonic(), self.decisions.get(step.name)
        if decision and decision.kind is Intervention.SKIP:
            self._note("step.skipped", step, by=decision.author, reason=decision.reason, without=step.without)
            return Outcome(step.name, step.title, False, f"skipped: {decision.reason}", started, timedelta(0), decision)
        verdict = step.evaluate(world)
        changed = verdict.state is not State.DONE
        if changed:
            self.fence()
            self._note("step.started", step, was=verdict.state, detail=verdict.detail, loses=list(verdict.loses))
            step.act(world, report)
            verdict = self._verified(step, world, report, decision)
        seconds = time.monotonic() - began
        forced = decision if verdict.state is not State.DONE else None
        about = {"by": forced.author, "reason": forced.reason} if forced else {}
        event = "step.forced" if forced else "step.done" if changed else "step.unneeded"
        self._note(event, step, detail=verdict.detail, seconds=round(seconds, 3), **about)
        return Outcome(step.name, step.title, changed, verdict.detail, started, timedelta(seconds=seconds), forced)

    def _note(self, event: str, step: Step[World], **data: Any) -> None:
        self.journal.append(self.run, event, step.name, **{name: value for name, value in data.items() if value != []})

    def _verified(self, step: Step[World], world: World, report: Report, decision: Decision | None) -> Verdict:
        look = step.verify or step.evaluate
        deadline = time.monotonic() + step.timeout.total_seconds()
        while True:
            verdict = look(world)
            if verdict.state is State.DONE or decision:
                return verdict
            if time.monotonic() >= deadline:
                remedy = "fix the reported problem, then run the command again; completed steps are skipped"
                seconds = step.timeout.total_seconds()
                fact = f"not confirmed after {seconds:.0f} s: {verdict.detail or verdict.state}"
                raise Failed(Problem(step.title, fact, remedy))
            report(verdict.detail or "waiting", None)
            if self.stopping.wait(step.poll.total_seconds()):
                raise StoppedError(verdict.detail)


class _Run(Generic[World]):
    """One execution: which steps wait, run and are done."""

    def __init__(
        self,
        runner: StepRunner[World],
        steps: Sequence[Step[World]],
        after: Mapping[str, tuple[str, ...]],
        world: World,
    ) -> None:
        self._runner, self._steps, self._after, self._world = runner, {step.name: step for step in steps}, after, world
        self._done: dict[str, Outcome] = {}
        self._running: dict[Future[Outcome], tuple[Step[World], float]] = {}
        self._slow: set[str] = set()
        self._errors: list[BaseException] = []

    def outcomes(self) -> list[Outcome]:
        """Run all steps, and return their outcomes in the order of the list."""
        with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="step") as pool:
            self._start(pool)
            while self._running:
                try:
                    self._go_on(pool)
                except KeyboardInterrupt as error:
                    # Steps that run end at their next look, so that the journal says which were interrupted.
                    self._fail(error)
        if self._errors:
            raise self._error()
        return [self._done[name] for name in self._steps]

    def _go_on(self, pool: ThreadPoolExecutor) -> None:
        ended, _ = wait(self._running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in ended:
            self._end(future)
        if not self._errors:
            self._start(pool)
        self._look()

    def _start(self, pool: ThreadPoolExecutor) -> None:
        running = {step.name for step, _ in self._running.values()}
        for name, before in self._after.items():
            if name in self._done or name in running or not all(each in self._done for each in before):
                continue
            step, watcher = self._steps[name], self._runner.watcher
            watcher.started(step, len(self._done) + len(self._running) + 1, len(self._steps))
            future = pool.submit(self._runner.one, step, self._world, partial(watcher.progress, step))
            self._running[future] = (step, time.monotonic())

    def _end(self, future: Future[Outcome]) -> None:
        step, _ = self._running.pop(future)
        try:
            outcome = future.result()
        except StoppedError as stopped:
            self._runner.journal.append(self._runner.run, "step.stopped", step.name, detail=str(stopped))
            return
        except BaseException as error:  # noqa: BLE001 - raised by `_error`, once the other steps have ended
            self._fail(error)
            event = "step.failed" if isinstance(error, DrError) else "step.interrupted"
            text = str(error) if isinstance(error, DrError) else f"{type(error).__name__}: {error}"
            self._runner.journal.append(self._runner.run, event, step.name, error=text)
            return
        self._done[step.name] = outcome
        self._runner.watcher.finished(outcome)

    def _fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self._runner.stopping.set()

    def _look(self) -> None:
        """Report steps that take longer than expected."""
        for step, began in self._running.values():
            expected = self._runner.expected_of(step)
            running = timedelta(seconds=time.monotonic() - began)
            if running > max(expected.p75, timedelta(seconds=1)) and step.name not in self._slow:
                self._slow.add(step.name)
                seconds = round(running.total_seconds(), 1)
                self._runner.journal.append(self._runner.run, "step.slow", step.name, seconds=seconds)
                self._runner.watcher.slow(step, running, expected)

    def _error(self) -> BaseException:
        """Return the error to raise: one with all problems, if every error is one of this project's."""
        first = self._errors[0]
        if len(self._errors) == 1 or not all(isinstance(each, DrError) for each in self._errors):
            return next((each for each in self._errors if not isinstance(each, DrError)), first)
        problems = [problem for each in self._errors if isinstance(each, DrError) for problem in each.problems]
        return Failed(*problems)


def measured_durations(runs: Iterable[Mapping[str, float]]) -> dict[str, Expected]:
    """Return the expected durations that earlier runs measured, by step. Pure.

    Args:
        runs: Seconds by step's name, of each run; only steps whose action ran.
    """
    by_step: dict[str, list[float]] = {}
    for run in runs:
        for name, seconds in run.items():
            by_step.setdefault(name, []).append(seconds)
    return {name: _quartiles(sorted(seconds)) for name, seconds in by_step.items()}


def _quartiles(seconds: Sequence[float]) -> Expected:
    def at(share: float) -> timedelta:
        return timedelta(seconds=seconds[min(len(seconds) - 1, round(share * (len(seconds) - 1)))])

    p50, p75 = at(0.5), at(0.75)
    if len(seconds) < ENOUGH_RUNS:
        p75 = max(p75, p50 * UPPER_QUARTILE)
    return Expected(p50, p75, f"{len(seconds)} earlier run{'s'[: len(seconds) > 1]}", measured=True)
