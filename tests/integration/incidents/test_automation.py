"""Automation on a whole sandbox: us-east-1 and the global control planes are lost, and no operator does anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dr.names import automation_project_name, automation_role_name
from dr.operations import clients_dns
from tests.support.dr_command import dr
from tests.support.failback import NAME, fail_back_without_a_change
from tests.support.network import EAST, WEST, load_balancer
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

# tests/integration/operations tests automation, too.
pytestmark = [pytest.mark.engine, pytest.mark.thorough]

RUNNER = {"runner": True, "runnerImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/runner:1"}
PROJECT = automation_project_name("ml-dr")
ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
}
"""IAM action of API operations that have another name (S3 user guide, "Required permissions for S3 API operations")."""
OTHERS = {
    *("backup:DescribeBackupVault", "backup:ListRecoveryPointsByBackupVault"),
    *("codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"),
    "sts:GetCallerIdentity",
}
"""What the prober and the trigger call, and what needs no permission."""


@contextmanager
def automated(sandbox: SandboxUnderTest) -> Iterator[None]:
    """Deploy automation until the block ends."""
    try:
        with sandbox.configured("dr", automation="automatic", **RUNNER):
            sandbox.engine.up("dr")
            yield
    finally:
        sandbox.repair()
        sandbox.engine.up("dr")


def builds(sandbox: SandboxUnderTest) -> list[dict[str, Any]]:
    """Return automation's builds, the newest first."""
    codebuild = sandbox.client("codebuild", WEST)
    ids = codebuild.list_builds_for_project(projectName=PROJECT)["ids"]
    return list(codebuild.batch_get_builds(ids=ids)["builds"]) if ids else []


def log(sandbox: SandboxUnderTest, build: dict[str, Any]) -> str:
    """Return what a build printed."""
    place = build["logs"]
    found = sandbox.client("logs", WEST).get_log_events(
        logGroupName=place["groupName"], logStreamName=place["streamName"], startFromHead=True
    )
    return "\n".join(each["message"] for each in found["events"])


def granted(sandbox: SandboxUnderTest) -> set[str]:
    """Return the actions that the role of automation allows."""
    name, iam = automation_role_name("ml-dr", WEST), sandbox.client("iam", EAST)
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    found = json.loads(document) if isinstance(document, str) else document
    actions = [each["Action"] for each in found["Statement"]]
    return {action for each in actions for action in ([each] if isinstance(each, str) else each)}


def open_runs(sandbox: SandboxUnderTest) -> list[str]:
    """Return the runs whose incident is open."""
    _, runs = dr(sandbox, "incidents")
    return [each["run"] for each in runs if each["open"]]


def checked(sandbox: SandboxUnderTest) -> tuple[str, str]:
    """Return status and measurement of the row `automation` of `dr check`."""
    _, report = dr(sandbox, "check")
    (found,) = [each for each in report["findings"] if each["name"] == "automation"]
    return str(found["status"]), str(found["measured"])


def test_lost_region_starts_one_build_that_fails_over_and_failback_arms_automation_again(
    inside: SandboxUnderTest,
) -> None:
    sandbox = inside
    with automated(sandbox):
        sandbox.advance(5)
        assert builds(sandbox) == [], "no build is started in normal operation"
        status, measured = checked(sandbox)
        assert (status, measured.partition(",")[0]) == ("met", "automatic"), measured
        allowed = granted(sandbox) | OTHERS

        sandbox.lose(EAST)
        since = sandbox.mark()
        with sandbox.time_passes():
            # The trigger runs each minute of the sandbox's clock, while the build runs, and a person starts it, too.
            wait_for(lambda: builds(sandbox), "a build of automation")
            wait_for(lambda: open_runs(sandbox), "an incident", interval_seconds=1)
            code, by_hand = dr(sandbox, "automate", "--yes")
            wait_for(lambda: builds(sandbox)[0]["buildComplete"], "the end of the build")
        (build,) = builds(sandbox)
        assert build["buildStatus"] == "SUCCEEDED", log(sandbox, build)
        assert code == 3 or (code, by_hand["done"]) == (0, False), by_hand
        calls = [each for each in sandbox.calls(since) if "app/ml-dr" in each["agent"]]
        called = {f"{each['service']}:{each['operation']}" for each in calls}
        assert {ACTIONS.get(each, each) for each in called} <= allowed
        assert {each["region"] for each in calls} == {WEST}

        assert clients_dns.ask(NAME).names[-1:] == load_balancer(sandbox, WEST)
        (run,) = open_runs(sandbox)
        assert f"failover {run} is done:" in log(sandbox, build)
        sandbox.advance(3)
        assert len(builds(sandbox)) == 1, "one incident, whatever the number of starts"
        assert checked(sandbox)[0] == "missed", "an incident disarms automation"

        fail_back_without_a_change(sandbox)
        sandbox.advance(3)
        assert checked(sandbox)[0] == "met"
        assert len(builds(sandbox)) == 1
