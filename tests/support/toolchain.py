"""Fake commands for tests of the toolchain."""

from __future__ import annotations

from pathlib import Path


def command(path: Path, script: str) -> Path:
    """Write a shell script as an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def silent(text: str, share: float | None) -> None:
    """Receive progress and show nothing."""
