"""The suggestion that an error makes for a name that does not exist. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.5
"""How alike two names must be, from 0 to 1, for one to be suggested for the other."""


def nearest(value: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like a value, or None where no name is like it.

    Args:
        value: What was written.
        names: The names that exist.
    """
    near = difflib.get_close_matches(value, list(names), n=1, cutoff=CUTOFF)
    return near[0] if near else None


def did_you_mean(value: str, names: Iterable[str], otherwise: str) -> str:
    """Return the question that suggests the nearest name, or another text where no name is near.

    Args:
        value: What was written.
        names: The names that exist.
        otherwise: The text where no name is like the value.
    """
    near = nearest(value, names)
    return f'did you mean "{near}"?' if near else otherwise
