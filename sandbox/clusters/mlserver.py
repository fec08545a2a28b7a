"""Whether this machine can run a model server. It imports neither the emulator nor MLServer."""

from __future__ import annotations

import importlib.util
import sys


def lacking() -> str:
    """Return the reason why this machine cannot run a model server; "" if it can."""
    if importlib.util.find_spec("mlserver") is not None:
        return ""
    version = ".".join(map(str, sys.version_info[:2]))
    return f"MLServer is not installed: it needs Python below 3.13, and this is {version}"
