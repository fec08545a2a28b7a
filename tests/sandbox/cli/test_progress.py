"""Remaining time in the progress of steps."""

import pytest

from sandbox.cli.progress import left


@pytest.mark.parametrize(
    ("share", "elapsed", "said"),
    [
        (0.5, 60.0, ", 50%, about 1 min left"),
        (0.02, 10.0, ", 2%, about 490 s left"),
        (0.0006, 14.0, ", 0%"),
        (0.5, 1.0, ""),
        (None, 60.0, ""),
        (1.0, 60.0, ""),
    ],
)
def test_remaining_time_is_shown_once_it_can_be_extrapolated(share: float | None, elapsed: float, said: str) -> None:
    assert left(share, elapsed) == said
