"""Readiness of the database's login, judged from what Secrets Manager lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dr.findings import Status
from dr.operations.readiness_login import judge, judge_replica

REGION = "us-west-2"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CURRENT = {"VersionId": "one", "VersionStages": ["AWSCURRENT"]}


@pytest.mark.parametrize(("days", "hint"), [(0, ""), (90, ""), (91, "older than 90 days: `dr rotate-secret`")])
def test_login_is_met_with_its_age_and_a_rotation_is_suggested_after_90_days(days: int, hint: str) -> None:
    found = judge([CURRENT], NOW - timedelta(days=days), REGION, NOW)

    assert (found.name, found.status, found.hint) == ("database login in us-west-2", Status.MET, hint)
    assert found.measured == f"the password is {days} days old"


def test_interrupted_rotation_is_missed_with_both_ways_on() -> None:
    found = judge([CURRENT, {"VersionId": "two", "VersionStages": ["AWSPENDING"]}], NOW, REGION, NOW)

    assert found.status is Status.MISSED
    assert "`dr rotate-secret --yes`" in found.hint
    assert "`dr rotate-secret --reset --yes`" in found.hint


@pytest.mark.parametrize(
    ("state", "status", "text"),
    [
        ("InSync", Status.MET, "us-west-2 is in sync"),
        ("InProgress", Status.MISSED, "us-west-2 is InProgress"),
        ("Failed", Status.MISSED, "us-west-2 is Failed"),
        ("", Status.MISSED, "us-west-2 is missing"),
    ],
)
def test_replica_is_met_only_while_it_is_in_sync(state: str, status: Status, text: str) -> None:
    found = judge_replica("replica", state, REGION)

    assert (found.status, found.measured) == (status, text)
