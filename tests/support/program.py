"""The whole program of a stack, run against a cloud in memory."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from dr.config.project import read_config
from tests.support.mocks import Cloud, deploy

ROOT = Path(__file__).parents[2]
OF_PRIMARY = {
    **{"zone_id": "Z0PRIMARY", "primary_bucket": "one", "secondary_bucket": "other"},
    "replica_key_arn": "arn:aws:kms:us-west-2:123456789012:key/replica",
}


def run(stack: str, monkeypatch: pytest.MonkeyPatch, cloud: Cloud | None = None, /, **changes: str) -> Cloud:
    """Run the program.

    Args:
        stack: The stack.
        monkeypatch: Sets the configuration.
        cloud: The cloud to deploy to.
        changes: Replace keys of the `dr` namespace.
    """
    values = {**read_config(ROOT, stack), **{f"dr:{key}": value for key, value in changes.items()}}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(values))
    target = cloud or Cloud(outputs_of_primary=OF_PRIMARY)
    return deploy(lambda: runpy.run_path(str(ROOT / "__main__.py")) and None, stack, target)
