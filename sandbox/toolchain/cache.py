"""The user's cache of built and downloaded tools, which all checkouts share.

Environment:

- `DR_TOOLCHAIN` (`path`, `download`, `build`): the one way to get a tool. A cached one is used for all but `path`.
- `DR_TOOLCHAIN_CACHE`: the cache's folder, instead of `${XDG_CACHE_HOME:-~/.cache}/ml-dr/toolchain`.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from dr.errors import Invalid, Problem

WAYS = ("path", "download", "build")


def chosen_way() -> str | None:
    """The value of `DR_TOOLCHAIN`; None where it is unset.

    Raises:
        Invalid: The value is not one of `WAYS`.
    """
    way = os.environ.get("DR_TOOLCHAIN") or None
    if way not in (None, *WAYS):
        raise Invalid(Problem("DR_TOOLCHAIN", f"is '{way}'", f"unset it, or use one of: {', '.join(WAYS)}"))
    return way


def cache() -> Path:
    """The folder that holds all tools."""
    if chosen := os.environ.get("DR_TOOLCHAIN_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ml-dr" / "toolchain"


def for_this_machine(name: str) -> str:
    """A folder's name with the operating system and the processor, as Go names them: `crane-0.21.4-linux-amd64`."""
    machine = platform.machine().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{name}-{platform.system().lower()}-{machine}"


def command_on_path(name: str) -> Path | None:
    """An executable on PATH that is not a cached tool: the sandbox's shell has the cache on PATH."""
    command = shutil.which(name)
    return Path(command) if command and not Path(command).resolve().is_relative_to(cache().resolve()) else None
