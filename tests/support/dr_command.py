"""The command `dr`, run in a sandbox as an operator does."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.support.sandbox import SandboxUnderTest


def dr(sandbox: SandboxUnderTest, *arguments: str) -> tuple[int, Any]:
    """Run the command with `--json`, and return its exit code and its document."""
    command = [str(sandbox.local.commands / "dr"), *arguments, "--json"]
    variables = {**os.environ, **sandbox.engine.variables}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=900)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}")
