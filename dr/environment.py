"""Settings of a function or a pod, from its environment: all that is missing is said at once."""

from __future__ import annotations

import os

from dr.errors import Invalid, Problem


def read(*names: str) -> dict[str, str]:
    """The variables of these names.

    Raises:
        Invalid: some are not set.
    """
    if missing := [name for name in names if not os.environ.get(name)]:
        remedy = "`pulumi up` of the stack that owns the function or pod sets them"
        raise Invalid(*(Problem(f"environment variable {name}", "is not set", remedy) for name in missing))
    return {name: os.environ[name] for name in names}
