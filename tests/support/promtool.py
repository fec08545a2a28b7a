"""promtool, Prometheus's tool for rules: from PATH, or built from the modules pinned in tests/promtool."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.toolchain import go_cache

MODULES = Path(__file__).parents[1] / "promtool"
PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"
FLAGS = ["-mod=readonly", "-trimpath", "-tags=remove_all_sd", "-ldflags=-s -w"]
"""Build tags that exclude cloud clients for service discovery, which no test needs."""


@cache
def promtool() -> Path:
    """Return the command; skip the test if it cannot be built."""
    if found := shutil.which("promtool"):
        return Path(found)
    pins = hashlib.sha256((MODULES / "go.mod").read_bytes() + (MODULES / "go.sum").read_bytes()).hexdigest()[:12]
    folder = _cache() / f"promtool-{pins}"
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "promtool"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not command.exists():
            if not shutil.which("go"):
                pytest.skip("there is neither promtool nor go on PATH")
            _build(command)
    return command


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ml-dr" / "tests"


def _build(command: Path) -> None:
    unfinished = command.with_suffix(".new")
    variables = {"GOTOOLCHAIN": "local", **os.environ, "GOWORK": "off", **go_cache.variables()}
    with go_cache.removed_afterwards():
        subprocess.run(["go", "-C", MODULES, "build", *FLAGS, "-o", unfinished, PACKAGE], env=variables, check=True)
    unfinished.rename(command)


def run(folder: Path, *arguments: str, **files: Any) -> str:
    """Run promtool in a folder with YAML files, named without suffix; return its output. Fails if promtool fails."""
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    done = subprocess.run([promtool(), *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
