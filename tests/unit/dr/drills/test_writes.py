"""Writes of a drill: what survived, and the recovery point."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from dr.drills import writes
from dr.drills.writes import Write, Writer
from tests.support.waiting import wait_for

FAULT = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
SURVIVED = [Write(f"drill/run/{number:06}", FAULT - timedelta(seconds=5 - number), True) for number in range(4)]


def test_writes_that_all_survived_lose_nothing() -> None:
    assert (writes.recovery_point(SURVIVED, FAULT), writes.lost(SURVIVED, "east", FAULT)) == (0.0, ())


def test_recovery_point_is_the_age_of_the_oldest_lost_write_and_every_lost_write_is_listed() -> None:
    found = [*SURVIVED[:2], replace(SURVIVED[2], survived=False), replace(SURVIVED[3], survived=False)]
    lost = writes.lost(reversed(found), "east", FAULT)

    assert writes.recovery_point(found, FAULT) == 3.0
    assert [(each.name, each.age_seconds) for each in lost] == [
        ("s3://east/drill/run/000002", 3.0),
        ("s3://east/drill/run/000003", 2.0),
    ]


@pytest.mark.parametrize("found", [[], [*SURVIVED, Write("drill/run/000009", FAULT)]])
def test_recovery_point_is_unknown_without_writes_or_if_one_was_not_looked_up(found: list[Write]) -> None:
    assert writes.recovery_point(found, FAULT) is None


def test_write_that_was_acknowledged_after_the_fault_is_a_loss_of_no_time() -> None:
    found = [replace(SURVIVED[0], acknowledged=FAULT + timedelta(milliseconds=20), survived=False)]

    assert writes.recovery_point(found, FAULT) == 0.0


def test_line_of_a_write_names_its_object() -> None:
    assert json.loads(SURVIVED[3].line("east")) == {
        "name": "s3://east/drill/run/000003",
        "acknowledged": "2026-11-29T11:59:58.000+00:00",
        "survived": True,
    }


@mock_aws
def test_writer_counts_only_acknowledged_writes_and_all_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "EVERY_SECONDS", 0.01)
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="east")
    writer = Writer("us-east-1", "east", "run")
    writer.start()
    wait_for(lambda: len(writer.acknowledged()) >= 3)
    found = writer.stop()
    s3.delete_object(Bucket="east", Key=found[1].key)

    judged = writes.judged("us-east-1", "east", "run", found)
    assert [each.survived for each in judged] == [each is not found[1] for each in found]
    writes.remove("us-east-1", "east", "run")
    assert "Contents" not in s3.list_objects_v2(Bucket="east")


@mock_aws
def test_write_that_fails_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "EVERY_SECONDS", 0.01)
    writer = Writer("us-east-1", "no-such-bucket", "run")
    writer.start()

    assert writer.stop() == []
