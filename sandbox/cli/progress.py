"""Shows a run of steps: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from rich.console import Console

from dr.operations.steps import Outcome, Step
from dr.topology.tiers import describe_duration

PLAIN_SECONDS = 5.0
"""How often a plain log gets a line about a step that goes on."""
LEAST_SECONDS, LEAST_SHARE = 2.0, 0.02
"""What has to be done before the rest is extrapolated: the first package of a build says nothing of the others."""


class Progress:
    """A watcher of steps (`dr.operations.steps.Watcher`).

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Any = None
        self._label, self._began, self._last = "", 0.0, 0.0

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Name the step."""
        self._label = f"[{position}/{total}] {step.title}"
        self._began = self._last = time.monotonic()
        if self.console.is_terminal:
            self._status = self.console.status(self._label)
            self._status.start()

    def progress(self, text: str, share: float | None) -> None:
        """Say how far it is, and how long it has taken."""
        elapsed = time.monotonic() - self._began
        line = f"{self._label}: {text}{left(share, elapsed)}"
        if self._status:
            self._status.update(line)
        elif time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self.console.print(line, markup=False, highlight=False)

    def finished(self, outcome: Outcome) -> None:
        """Say what became of it."""
        self.stop()
        took = f" ({outcome.duration.total_seconds():.1f} s)" if outcome.changed else ""
        line = f"{self._label}: {outcome.detail}{took}"
        self.console.print(line, markup=False, highlight=False)

    def stop(self) -> None:
        """End the live line, after a step or an error."""
        if self._status:
            self._status.stop()
            self._status = None


def left(share: float | None, elapsed: float) -> str:
    """What is left, where the share that is done says it; an extrapolation, so rounded.

    Args:
        share: What is done, 0 to 1; None where that is not known.
        elapsed: Seconds it took.
    """
    if not share or share >= 1 or elapsed < LEAST_SECONDS:
        return ""
    if share < LEAST_SHARE:
        return f", {share:.0%}"
    return f", {share:.0%}, about {describe_duration(timedelta(seconds=round(elapsed * (1 - share) / share)))} left"
