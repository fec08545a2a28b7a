"""Wait for a condition that a test expects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 300.0
"""Longest wait without progress. Waiting ends with the condition, so only a failing test waits that long."""
INTERVAL_SECONDS = 0.05


def wait_for(
    condition: Callable[[], Any],
    expected: str = "the condition",
    progress: Callable[[], object] | None = None,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Any:
    """Wait until a condition holds, and return its value.

    The condition is checked once more after the deadline, so slow checks and suspended processes do not fail it.

    Args:
        condition: Returns something true once it holds.
        expected: Names the condition in the error.
        progress: Returns a value that changes while the condition comes nearer: each change moves the deadline.
        interval_seconds: Seconds between two checks.

    Raises:
        AssertionError: The condition did not hold within `PATIENCE_SECONDS` of the last progress.
    """
    deadline, last = time.monotonic() + PATIENCE_SECONDS, progress and progress()
    while True:
        late = time.monotonic() > deadline
        if found := condition():
            return found
        if progress and (now := progress()) != last:
            deadline, last = time.monotonic() + PATIENCE_SECONDS, now
        else:
            assert not late, (
                f"{expected} did not hold within {PATIENCE_SECONDS:g} s: {found!r}; last progress: {last!r}"
            )
        time.sleep(interval_seconds)
