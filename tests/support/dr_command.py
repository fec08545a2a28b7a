"""The command `dr`, run in a sandbox as an operator does."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from dr.config.project import load_topology
from dr.control import proofs
from dr.names import CONTROL
from dr.topology.topology import Role
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


def forget_proofs(sandbox: SandboxUnderTest) -> None:
    """Remove the proofs of drills, so that no other test depends on them."""
    topology = load_topology(sandbox.local.project, "dr")
    s3, bucket = sandbox.client("s3", topology.recovery.region), topology.bucket(CONTROL, Role.RECOVERY)
    for each in s3.list_object_versions(Bucket=bucket, Prefix=proofs.PREFIX).get("Versions", ()):
        s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
