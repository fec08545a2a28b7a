"""Result of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A benchmark's result.

    Args:
        name: What was measured.
        measured: The values, as text.
        objective: The objective, as text.
        met: Whether the values meet it.
    """

    name: str
    measured: str
    objective: str
    met: bool
