"""Rows that a failover of the database loses, counted by a drill's writer over real PostgreSQL servers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dr.drills import row_writer
from dr.drills.environment import Sandbox
from dr.drills.row_writer import SELECT, RowWriter
from dr.errors import Failed
from sandbox import timings
from sandbox.databases import programs
from sandbox.server import Running
from tests.support.databases import AWAY, ENGINE, GLOBAL, HOME, SIZE, SPEED, Database, arn
from tests.support.operations import EAST, WEST
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(programs.lacking()), reason=f"not run: {programs.lacking()}")

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""Message that asks for TLS (PostgreSQL documentation, "Message Formats", SSLRequest)."""


@pytest.fixture
def database(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A global database with an instance in each region."""
    monkeypatch.setenv(timings.SPEED_VARIABLE, SPEED)
    made = Database(aws)
    made.create()
    made.west.create_db_instance(
        DBInstanceIdentifier=f"{AWAY}-1", DBClusterIdentifier=AWAY, DBInstanceClass=SIZE, Engine=ENGINE
    )
    made.west.describe_db_instances()
    return made


def connect(aws: Running, database: Database) -> None:
    """Connect to the writer's endpoint once: its server runs from then on."""
    (found,) = database.east.describe_db_clusters()["DBClusters"]
    address = aws.databases.address_of(found["Endpoint"])
    assert address
    with socket.create_connection((address, found["Port"])) as connection:
        connection.sendall(SSL_REQUEST)
        assert connection.recv(1) == b"S"


def test_rows_that_were_acknowledged_and_not_replicated_are_lost_with_their_age(
    aws: Running, database: Database, control: Callable[..., Any], tmp_path: Path
) -> None:
    connect(aws, database)
    place = Sandbox(aws.endpoint, tmp_path)
    writer = RowWriter(place, EAST, HOME)
    wait_for(lambda: started(writer), "a server of the writer")
    wait_for(lambda: len(rows(aws, WEST, AWAY)) > 2, "rows in the recovery region")
    control("POST", "faults", {"kind": "database", "region": WEST, "lag": 60})
    behind = len(rows(aws, EAST, HOME))
    wait_for(lambda: len(rows(aws, EAST, HOME)) > behind + 2, "rows that do not arrive")
    fault = datetime.now(UTC)
    control("POST", "faults", {"kind": "region", "region": EAST, "unreachable": True})
    acknowledged = writer.stop()
    database.west.failover_global_cluster(
        GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(WEST, AWAY), AllowDataLoss=True
    )
    assert database.writer == AWAY
    aws.databases.settle()
    found = rows(aws, WEST, AWAY)
    lost = row_writer.lost(acknowledged, row_writer.present(place, WEST, AWAY), fault)

    assert found < set(acknowledged)
    assert set(lost) == {number for number, at in acknowledged.items() if at <= fault} - found
    assert lost
    assert all(age >= 0 for age in lost.values())
    assert min(lost) > max(found), "the oldest rows have arrived"


def rows(aws: Running, region: str, cluster: str) -> set[int]:
    """Return the rows of a cluster; none before it has the table."""
    try:
        return {int(each) for each in aws.databases.sql(region, cluster, SELECT).split()}
    except Failed:
        return set()


def started(writer: RowWriter) -> bool:
    """Start the writer; return whether its server runs."""
    try:
        writer.start()
    except Failed:
        return False
    return True


def test_writer_says_that_no_server_is_behind_the_cluster(aws: Running, database: Database, tmp_path: Path) -> None:
    database.east.delete_db_instance(DBInstanceIdentifier=f"{HOME}-1")
    with pytest.raises(Failed, match="POST databases: HTTP Error 400"):
        RowWriter(Sandbox(aws.endpoint, tmp_path), EAST, HOME).start()
