"""Waiting for a condition that a test expects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 300.0
"""Waiting ends with the condition, so this only bounds a test that fails."""


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until a condition holds, and return its value.

    The last look begins after the deadline, so that a slow look, or a process that did not run, is no failure.

    Args:
        condition: Returns something true once it holds.
        seconds: The deadline.
    """
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        if found := condition():
            return found
        assert not late, f"{found!r} after {seconds:g} s"
        time.sleep(0.05)
