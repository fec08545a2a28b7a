"""A machine without tools."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH, empty, on a machine with an empty cache."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(tmp_path / "cache"))
    for name in ("DR_TOOLCHAIN", "GOTOOLCHAIN"):
        monkeypatch.delenv(name, raising=False)
    return folder
