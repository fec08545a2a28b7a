"""Settings of functions and pods, from environment variables; all missing ones are reported together."""

from __future__ import annotations

import os

from dr.errors import Invalid, Problem


def read(*names: str) -> dict[str, str]:
    """Return environment variables by name.

    Raises:
        Invalid: Some are not set.
    """
    if missing := [name for name in names if not os.environ.get(name)]:
        remedy = "run `pulumi up` of the stack that owns the function or pod; it sets the variable"
        raise Invalid(*(Problem(f"environment variable {name}", "is not set", remedy) for name in missing))
    return {name: os.environ[name] for name in names}
