"""Progress of a run: a live list of the running steps on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from dr.operations.step_runner import Outcome
from dr.operations.steps import Expected, Step
from dr.topology.tiers import describe_duration

PLAIN_SECONDS = 5.0
"""Shortest time between two lines about one step, without a terminal."""
BAR = 12
"""Characters of a step's bar, which is full at the expected duration of three quarters of the runs."""


class RunProgress:
    """A watcher of steps that may run together (`dr.operations.step_runner.Watcher`).

    Args:
        expected: Expected durations by step's name.
        quiet: Whether to show nothing.
    """

    def __init__(self, expected: Mapping[str, Expected] | None = None, quiet: bool = False) -> None:
        self._expected = expected or {}
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Step[Any], float, str]] = {}
        self._said: dict[str, float] = {}
        self._live: Live | None = None

    def __enter__(self) -> RunProgress:
        """Start the live list on a terminal."""
        if not self._quiet and self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self._lines, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the live list."""
        if self._live:
            self._live.stop()

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Show the title of a step."""
        with self._lock:
            self._running[step.name] = (step, time.monotonic(), "")
        self._print(f"[{position}/{total}] {step.title} ...")

    def progress(self, step: Step[Any], text: str, share: float | None) -> None:
        """Show what a step waits for."""
        now = time.monotonic()
        with self._lock:
            known, began, before = self._running.get(step.name, (step, now, ""))
            self._running[step.name] = (known, began, text)
            due = text != before and now - self._said.get(step.name, 0.0) >= PLAIN_SECONDS
            if due:
                self._said[step.name] = now
        if due and not self._live:
            self._print(f"    {step.title}: {text}")

    def slow(self, step: Step[Any], running: timedelta, expected: Expected) -> None:
        """Show that a step takes longer than expected, with what to look at."""
        usual = f"usually at most {describe_duration(expected.p75)} ({expected.source})"
        look = f". Look at: {step.slow}" if step.slow else ""
        self._print(f"    slow: {step.title} has taken {describe_duration(running)}, {usual}{look}")

    def finished(self, outcome: Outcome) -> None:
        """Show the result of a step."""
        with self._lock:
            self._running.pop(outcome.step, None)
        took = f" ({outcome.duration.total_seconds():.1f} s)" if outcome.changed else ""
        self._print(f"{outcome.title}: {outcome.detail}{took}")

    def say(self, line: str) -> None:
        """Show a line about the run as a whole."""
        self._print(line)

    def _print(self, line: str) -> None:
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False)

    def _lines(self) -> Group:
        with self._lock:
            running = list(self._running.values())
        now = time.monotonic()
        return Group(
            *(running_line(step, now - began, self._expected.get(step.name), text) for step, began, text in running)
        )


def running_line(step: Step[Any], seconds: float, expected: Expected | None, text: str) -> Text:
    """Return the line of a running step: its elapsed time against the expected one. Pure.

    Args:
        step: The step.
        seconds: Elapsed time in seconds.
        expected: Its expected duration; None if it is unknown.
        text: What it waits for.
    """
    took = describe_duration(timedelta(seconds=seconds))
    if expected is None:
        return Text(f"{step.title} ({took}) {text}")
    limit = max(expected.p75.total_seconds(), 1.0)
    full = min(BAR, round(BAR * seconds / limit))
    usual = f"{took} of {describe_duration(expected.p50)}, p75 {describe_duration(expected.p75)}"
    style, late = ("yellow", "slow, ") if seconds > limit else ("green", "")
    return Text.assemble(
        ("━" * full, style), ("─" * (BAR - full), "dim"), f" {step.title}: {late}{usual}  ", (text, "dim")
    )
