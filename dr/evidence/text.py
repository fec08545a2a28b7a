"""Durations as text in reports. Pure."""

from __future__ import annotations


def seconds_text(seconds: float) -> str:
    """Return a duration with the precision of a measurement: "4.2 s", "4 min 12 s", "1 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
