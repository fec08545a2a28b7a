"""Watchers of a drill's operations: they note when the first step starts, and each outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dr.operations.step_runner import Outcome, Watcher
from dr.operations.steps import Expected, Step


class Noted:
    """A watcher that passes every outcome to a function, and everything on.

    Args:
        inner: The watcher that shows the run.
        note: Called with each outcome.
    """

    def __init__(self, inner: Watcher, note: Callable[[Outcome], None]) -> None:
        self._inner, self._note = inner, note
        self.first: float | None = None
        """When the first step started, by the monotonic clock in seconds."""

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Note the first start, and pass it on."""
        self.first = self.first or time.monotonic()
        self._inner.started(step, position, total)

    def progress(self, step: Step[Any], text: str, share: float | None) -> None:
        """Pass progress on."""
        self._inner.progress(step, text, share)

    def slow(self, step: Step[Any], running: timedelta, expected: Expected) -> None:
        """Pass a slow step on."""
        self._inner.slow(step, running, expected)

    def finished(self, outcome: Outcome) -> None:
        """Note the outcome, and pass it on."""
        self._note(outcome)
        self._inner.finished(outcome)
