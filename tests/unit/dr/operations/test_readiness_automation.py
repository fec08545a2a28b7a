"""The readiness check of automation: one compliant example, and each test changes one fact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr import clients
from dr.control.incident_state import Automation, IncidentState
from dr.findings import Finding, Status
from dr.operations.readiness_automation import Trigger, judge, read
from dr.topology.tiers import Tier
from dr.topology.topology import AutomationMode

NAME, REGION = "ml-dr-failover-trigger", "us-west-2"
COMPLIANT: dict[str, Any] = {
    "mode": AutomationMode.AUTOMATIC,
    "trigger": Trigger(NAME, "automatic", 5),
    "state": IncidentState(),
    "tier": Tier.WARM,
}


def missed(**changes: Any) -> Finding:
    found = judge(**{**COMPLIANT, **changes})
    assert (found.status, found.objective) == (Status.MISSED, "automatic, started each minute, and armed")
    return found


def test_automation_that_is_deployed_and_runs_is_met() -> None:
    found = judge(**COMPLIANT)

    assert (found.status, found.measured) == (Status.MET, "automatic, started 5 times in 5 minutes")


def test_function_that_does_not_exist_is_missed() -> None:
    found = missed(trigger=Trigger(NAME))

    assert found.measured == f"the function {NAME} does not exist"
    assert found.hint == "`pulumi up -s dr` deploys what is configured"


def test_other_mode_than_configured_is_missed() -> None:
    trigger = replace(COMPLIANT["trigger"], mode="prepare")

    assert missed(trigger=trigger).measured == "prepare is deployed, and automatic is configured"


def test_function_that_does_not_run_is_missed() -> None:
    trigger = replace(COMPLIANT["trigger"], runs=0)

    assert missed(trigger=trigger).measured == f"{NAME} has not run in the last 5 minutes"


def test_function_that_fails_is_missed() -> None:
    found = missed(trigger=replace(COMPLIANT["trigger"], failed=2))

    assert found.measured == f"2 of 5 runs of {NAME} failed in the last 5 minutes"
    assert found.hint == f"the log group /{NAME} has the error"


def test_tier_without_a_cluster_is_missed() -> None:
    assert missed(tier=Tier.BACKUP).measured == "tier backup has no cluster, so automation does nothing"


def test_paused_automation_is_missed() -> None:
    found = missed(state=IncidentState(automation=Automation(paused="maintenance")))

    assert found.measured == "an operator paused automation (maintenance); `dr resume` switches it on"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        clients.forget()
        yield boto3.client("cloudwatch", REGION)
    clients.forget()


def test_missing_function_is_read_as_not_deployed(aws: Any) -> None:
    assert read(REGION, NAME, datetime.now(UTC)) == Trigger(NAME)
