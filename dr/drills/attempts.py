"""Parts of a drill: an error of one is a part of the result, and the others still run."""

from __future__ import annotations

from collections.abc import Callable

from dr.errors import DrError


def attempt(act: Callable[[], object], problems: list[str], say: Callable[[str], None]) -> None:
    """Do a part of a drill, and keep its error.

    Args:
        act: The part.
        problems: Errors of the drill, to which its error is added.
        say: Shows a line of progress.
    """
    try:
        act()
    except DrError as error:
        problems.append(str(error))
        say(str(error))
