"""Wait for a condition that a test expects."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 300.0
"""Waiting ends with the condition, so this only bounds a test that fails."""


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until a condition holds, and return its value.

    The condition is checked once more after the deadline, so slow checks and suspended processes do not fail it.

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
