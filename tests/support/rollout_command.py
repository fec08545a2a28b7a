"""The command `dr rollout`, run in a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from sandbox.local import ROOT
from tests.support.sandbox import SandboxUnderTest


def rollout(sandbox: SandboxUnderTest) -> tuple[int, dict[str, Any]]:
    """Return exit code and result of `dr rollout` for the primary, with the grace period of its stack file."""
    command = [sys.executable, "-m", "dr", "rollout", "--json", "--role", "primary", "--stack", "primary"]
    variables = {**os.environ, **sandbox.engine.variables}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    (found,) = json.loads(done.stdout)["rollouts"]
    return done.returncode, dict(found)
