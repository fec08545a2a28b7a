"""Progress of a run of steps: a live line on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from rich.console import Console

from dr.operations.step_runner import Outcome
from dr.operations.steps import Expected, Step
from dr.topology.tiers import describe_duration

PLAIN_SECONDS = 5.0
"""Minimum interval in seconds between plain lines about a running step."""
LEAST_SECONDS, LEAST_SHARE = 2.0, 0.02
"""Minimum duration in seconds and share of a step before its remaining time is extrapolated; the first package of a
build does not predict the others."""


class Progress:
    """A watcher of steps (`dr.operations.steps.Watcher`).

    Args:
        console: Console to write to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Any = None
        self._label, self._began, self._last = "", 0.0, 0.0

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Show the title of the step."""
        self._label = f"[{position}/{total}] {step.title}"
        self._began = self._last = time.monotonic()
        if self.console.is_terminal:
            self._status = self.console.status(self._label)
            self._status.start()

    def progress(self, step: Step[Any], text: str, share: float | None) -> None:
        """Show the progress of the step and its estimated remaining time."""
        elapsed = time.monotonic() - self._began
        line = f"{self._label}: {text}{left(share, elapsed)}"
        if self._status:
            self._status.update(line)
        elif time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self.console.print(line, markup=False, highlight=False)

    def slow(self, step: Step[Any], running: timedelta, expected: Expected) -> None:
        """Show nothing: the line of the running step shows its time."""

    def finished(self, outcome: Outcome) -> None:
        """Show the result of the step and its duration."""
        self.stop()
        took = f" ({outcome.duration.total_seconds():.1f} s)" if outcome.changed else ""
        line = f"{self._label}: {outcome.detail}{took}"
        self.console.print(line, markup=False, highlight=False)

    def stop(self) -> None:
        """Remove the live line after a step or an error."""
        if self._status:
            self._status.stop()
            self._status = None


def left(share: float | None, elapsed: float) -> str:
    """Return the completed share and the rounded estimate of the remaining time, as text.

    Args:
        share: Completed share, 0 to 1; None if unknown.
        elapsed: Elapsed time in seconds.
    """
    if not share or share >= 1 or elapsed < LEAST_SECONDS:
        return ""
    if share < LEAST_SHARE:
        return f", {share:.0%}"
    return f", {share:.0%}, about {describe_duration(timedelta(seconds=round(elapsed * (1 - share) / share)))} left"
