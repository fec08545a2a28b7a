"""The whole program of a stack, run against a cloud in memory."""

from __future__ import annotations

import json
import runpy
from functools import cache
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from components.data import database_spec
from dr.config.project import read_config
from dr.operations.pulumi_cli import PulumiStack
from dr.preflight import existing_cluster, existing_vpc, health_checkers, running_nodes
from dr.preflight.existing_cluster import ExistingCluster
from dr.preflight.existing_vpc import ExistingVpc
from tests.support.mocks import Cloud, deploy

ROOT = Path(__file__).parents[2]
OF_PRIMARY = {
    **{"zone_id": "Z0PRIMARY", "primary_bucket": "one", "secondary_bucket": "other"},
    "replica_key_arn": "arn:aws:kms:us-west-2:123456789012:key/replica",
}
VPC = "vpc-0123456789abcdef0"
EXISTING_CLUSTER = ExistingCluster(
    "theirs", "https://theirs.example", "arn:aws:eks:us-west-2:1:cluster/theirs", "UEVN", "sg-0a"
)
SUBNETS = {f"us-west-2{zone}": f"subnet-{zone}" for zone in "abc"}
CONTROL = "ml-dr-123456789012-us-west-2-control"
"""The recovery region's control bucket, as created by the primary stack."""


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
    # moto lacks the list.
    monkeypatch.setattr(health_checkers, "find", lambda region: "pl-checkers")
    target = cloud or Cloud(outputs_of_primary=OF_PRIMARY)
    return deploy(lambda: runpy.run_path(str(ROOT / "__main__.py")) and None, stack, target)


def first_deployment(stack: str, /, **changes: str) -> Cloud:
    """The same as `run_first_deployment`, run once in a process for each configuration: a test must not change it."""
    return _first_deployment(stack, tuple(sorted(changes.items())))


@cache
def _first_deployment(stack: str, changes: tuple[tuple[str, str], ...]) -> Cloud:
    return run_first_deployment(stack, **dict(changes))


def run_first_deployment(stack: str, /, **changes: str) -> Cloud:
    """Run the program of a stack where nothing is deployed but the primary's control bucket in the recovery region,
    and where an existing VPC and cluster can be named.

    Args:
        stack: The stack.
        changes: Replace keys of the `dr` namespace.
    """
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setattr(PulumiStack, "export_state", lambda self: {})
        patch.setattr(running_nodes, "find", lambda *_: running_nodes.RunningNodes())
        patch.setattr(existing_cluster, "find", lambda *_: EXISTING_CLUSTER)
        # The password of a new database is another one in each run.
        patch.setattr(database_spec, "new_login", lambda: json.dumps({"password": "of-the-test"}))
        patch.setattr(existing_vpc, "find", lambda *_: ExistingVpc(VPC, SUBNETS, SUBNETS))
        boto3.client("s3", "us-west-2").create_bucket(
            Bucket=CONTROL, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        return run(stack, patch, **changes)
