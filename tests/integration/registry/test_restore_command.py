"""`dr registry` over the emulator: what is refused, and what a repeated restore finds. No MLflow is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from dr.control import contract
from dr.control.contract import DatabaseRecord
from dr.topology.topology import Role
from sandbox import timings
from sandbox.server import Running
from tests.support.aurora import PRIMARY, WRITER, Database
from tests.support.builders import half
from tests.support.sets import Regions, bucket, run

RECORD = DatabaseRecord("global", WRITER, "arn", "17.7", "db.r6g.large", (f"{WRITER}-1",))
AS_OF = ("registry", "restore", "--as-of")


@pytest.fixture
def deploy(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Regions]:
    """Create the buckets, and the contract with a database or without one."""
    monkeypatch.setenv(timings.SPEED_VARIABLE, "1000000")
    regions = Regions(aws)

    def deployed(database: DatabaseRecord | None = RECORD) -> Regions:
        written = half(Role.PRIMARY, database=asdict(database) if database else None)
        body = json.dumps(written.to_dict())
        key = contract.key_of(Role.PRIMARY)
        regions.s3[PRIMARY].put_object(Bucket=bucket(PRIMARY, "control"), Key=key, Body=body)
        return regions

    return deployed


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_restore_without_a_database_is_refused_and_names_the_command_for_artifacts(
    deploy: Callable[..., Regions],
) -> None:
    deploy(None)

    code, answer = run(*AS_OF, now())

    assert code == 3
    assert "dr restore --prefix mlflow/" in json.dumps(answer)


def test_restore_to_a_time_before_the_first_backup_of_the_database_is_refused(
    aws: Running, deploy: Callable[..., Regions]
) -> None:
    deploy()
    Database(aws).writer()

    code, answer = run(*AS_OF, "2020-01-01T00:00:00Z", "--yes")

    assert code == 3
    assert "and not to 2020-01-01T00:00:00Z" in json.dumps(answer)


def test_repeated_restore_finds_nothing_left_to_do(aws: Running, deploy: Callable[..., Regions]) -> None:
    deploy()
    database = Database(aws)
    database.writer()
    time = now()

    planned = run(*AS_OF, time)
    done = run(*AS_OF, time, "--yes")
    again = run(*AS_OF, time)

    assert (planned[0], planned[1]["executed"], planned[1]["to_write"]) == (0, False, 1)
    assert (done[0], done[1]["executed"], again[1]["to_write"]) == (0, True, 0)
    found: Any = database.rds[PRIMARY].describe_db_clusters(DBClusterIdentifier=done[1]["database"]["cluster"])
    assert found["DBClusters"][0]["Endpoint"] == done[1]["database"]["endpoint"]


def test_verify_names_the_server_that_does_not_answer(deploy: Callable[..., Regions]) -> None:
    deploy()

    code, answer = run("registry", "verify", "--tracking", "http://127.0.0.1:9")

    assert code == 1
    assert "MLflow at http://127.0.0.1:9" in json.dumps(answer)
