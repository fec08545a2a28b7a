"""crane, whose `registry serve` is the OCI registry of the sandbox."""

from __future__ import annotations

import os
from pathlib import Path

from dr.errors import Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules
from sandbox.toolchain.cache import command_on_path
from sandbox.toolchain.tool import Installed, Release, Report, Tool

MODULE = "github.com/google/go-containerregistry"
PACKAGE = f"{MODULE}/cmd/crane"
MODULES = Modules(MODULE_FOLDER / "kubernetes", "crane", MODULE)


def _release() -> Release:
    return Release(MODULES.version, f"crane-{MODULES.version}")


def _open(folder: Path, origin: str) -> Path | None:
    path = folder / "bin" / "crane"
    return path if os.access(path, os.X_OK) else None


def _missing() -> Problem:
    fact = "DR_TOOLCHAIN=path, and PATH has no `crane`"
    return Problem("crane", fact, "install it (go-containerregistry), or unset DR_TOOLCHAIN")


def _build(folder: Path, report: Report) -> None:
    (folder / "bin").mkdir()
    MODULES.build([PACKAGE], "", folder / "bin" / "crane", report)


CRANE: Tool[Path] = Tool(
    subject=MODULES.subject,
    release=_release,
    minutes=0.5,
    open=_open,
    works=lambda folder: _open(folder, "") is not None,
    ways={"build": (_build, "built")},
    installed=Installed(lambda: command_on_path("crane"), _missing),
)
"""The command."""
