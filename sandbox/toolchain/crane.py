"""crane, whose `registry serve` is the OCI registry of the sandbox: the one on PATH, else one in the user's cache."""

from __future__ import annotations

import os
import shutil
from functools import cache as once
from pathlib import Path

from dr.errors import Failed, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules
from sandbox.toolchain.cache import Kept, Report, cache, chosen_way, find

MODULE = "github.com/google/go-containerregistry"
PACKAGE = f"{MODULE}/cmd/crane"
MODULES = Modules(MODULE_FOLDER / "kubernetes", "crane", MODULE, minutes=0.5)


@once
def kept() -> Kept:
    """The version that go.mod asks for."""
    return Kept("crane", MODULES.version, f"crane-{MODULES.version}")


def find_crane() -> Path | None:
    """The command that is there already. Raises Invalid: `DR_TOOLCHAIN` is not one of its values."""
    return find(_on_path, _cached)


def ensure_crane(report: Report) -> Path:
    """The command that is there, or else a new one. Safe when several processes ask at once, or one is killed.

    Raises:
        Failed: There is none and none can be built, or the cache cannot be written.
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    if found := find_crane():
        return found
    if chosen_way() == "path":
        fact = "DR_TOOLCHAIN=path, and PATH has no `crane`"
        raise Failed(Problem("crane", fact, "install it (go-containerregistry), or unset DR_TOOLCHAIN"))
    return kept().get(_cached, {"build": (_build, "built")}, _runs, report)


def _on_path() -> Path | None:
    command = shutil.which("crane")
    return Path(command) if command and not Path(command).resolve().is_relative_to(cache().resolve()) else None


def _cached(_: str) -> Path | None:
    path = kept().place / "bin" / "crane"
    return path if os.access(path, os.X_OK) else None


def _runs(folder: Path) -> bool:
    return os.access(folder / "bin" / "crane", os.X_OK)


def _build(folder: Path, report: Report) -> None:
    (folder / "bin").mkdir()
    MODULES.build([PACKAGE], "", folder / "bin" / "crane", report)
