"""The command `dr status`, run in a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from sandbox.local import ROOT
from tests.support.sandbox import SandboxUnderTest


@dataclass(frozen=True)
class Shown:
    """Result of the command.

    Args:
        code: Its exit code.
        report: Its JSON document.
    """

    code: int
    report: dict[str, Any]

    def finding(self, name: str) -> dict[str, Any]:
        """Return the finding of that name."""
        return next(dict(each) for each in self.report["findings"] if each["name"] == name)


def status(sandbox: SandboxUnderTest) -> Shown:
    """Return the result of `dr status --json`."""
    command = [sys.executable, "-m", "dr", "status", "--json"]
    variables = {**os.environ, **sandbox.engine.variables}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    return Shown(done.returncode, json.loads(done.stdout))
