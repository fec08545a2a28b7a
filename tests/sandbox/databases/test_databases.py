"""PostgreSQL behind the endpoints of Aurora clusters, as a client of each region finds it, by psql."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import psutil
import pytest

from dr.errors import Failed
from sandbox.aws.faults import DatabaseFault, RegionFault
from sandbox.databases import programs
from sandbox.server import Running
from tests.support.aurora import ENGINE, PRIMARY, RECOVERY, WRITER, Database, query, resolve
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(programs.lacking()), reason=f"not run: {programs.lacking()}")


@pytest.fixture
def database(aws: Running) -> Database:
    return Database(aws)


def test_client_and_the_control_api_read_what_a_client_wrote_at_the_clusters_endpoint(
    aws: Running, database: Database, control: Callable[..., Any]
) -> None:
    endpoint = database.writer()

    query(aws, endpoint, "create table run(id int); insert into run values (7)")

    assert query(aws, endpoint, "select id from run") == "7"
    asked = {"region": PRIMARY, "cluster": WRITER, "database": "mlflow"}
    assert control("POST", "databases", {**asked, "sql": "select id from run"}) == {"output": "7"}
    assert "does not exist" in control("POST", "databases", {**asked, "sql": "select id from nothing"})["error"]


def servers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if each.name().startswith("postgres")]


def test_no_server_runs_before_the_first_client_which_may_be_the_administrator(
    aws: Running, database: Database
) -> None:
    resolve(aws, database.writer())
    assert servers() == []

    assert aws.databases.sql(PRIMARY, WRITER, "select 1") == "1"
    assert servers()


def test_statement_is_refused_without_an_instance_or_a_cluster(aws: Running, database: Database) -> None:
    database.writer()
    database.rds[PRIMARY].delete_db_instance(DBInstanceIdentifier=f"{WRITER}-1")

    with pytest.raises(Failed, match="has no server in us-east-1"):
        aws.databases.sql(PRIMARY, WRITER, "select 1")
    with pytest.raises(Failed, match="does not exist in us-west-2"):
        aws.databases.sql(RECOVERY, WRITER, "select 1")


def test_wrong_password_and_a_connection_without_tls_are_refused(aws: Running, database: Database) -> None:
    endpoint = database.writer()

    with pytest.raises(ConnectionError, match="password authentication failed"):
        query(aws, endpoint, "select 1", password="wrong")
    with pytest.raises(ConnectionError, match="no encryption"):
        query(aws, endpoint, "select 1", mode="disable")


def test_unreachable_region_and_a_cluster_without_an_instance_do_not_answer(aws: Running, database: Database) -> None:
    endpoint = database.writer()
    query(aws, endpoint, "select 1")

    database.fault(RegionFault(PRIMARY, unreachable=True))
    with pytest.raises(ConnectionError):
        query(aws, endpoint, "select 1")
    database.fault()
    assert query(aws, endpoint, "select 1") == "1"
    database.rds[PRIMARY].delete_db_instance(DBInstanceIdentifier=f"{WRITER}-1")

    with pytest.raises(ConnectionError):
        query(aws, endpoint, "select 1")


def test_secondary_receives_rows_and_its_endpoint_for_writing_leads_nowhere(aws: Running, database: Database) -> None:
    first, second = database.pair()
    query(aws, first, "create table run(id int); insert into run values (7)")

    wait_for(lambda: database.rows(RECOVERY) == "7")

    with pytest.raises(ConnectionError):
        query(aws, second, "select 1")
    reader = second.replace(".cluster-", ".cluster-ro-")
    assert query(aws, reader, "select id from run") == "7"
    with pytest.raises(ConnectionError, match="read-only"):
        query(aws, reader, "insert into run values (8)")


def test_switchover_loses_nothing_and_the_former_writer_follows(aws: Running, database: Database) -> None:
    first, second = database.pair()
    query(aws, first, "create table run(id int); insert into run values (1)")

    database.switch_over()

    assert query(aws, second, "select id from run") == "1"
    query(aws, second, "insert into run values (2)")
    wait_for(lambda: database.rows(PRIMARY) == "1,2")


@pytest.mark.parametrize("fault", [RegionFault(PRIMARY, unreachable=True), DatabaseFault(RECOVERY, lag=60)])
def test_failover_loses_what_was_not_received_and_the_former_writer_undoes_it(
    aws: Running, database: Database, fault: Any
) -> None:
    first, second = database.pair()
    query(aws, first, "create table run(id int); insert into run values (1)")
    wait_for(lambda: database.rows(RECOVERY) == "1")

    database.fault(fault)
    aws.databases.sql(PRIMARY, WRITER, "insert into run values (2)", "mlflow")
    database.fail_over()

    assert query(aws, second, "select id from run") == "1"
    query(aws, second, "insert into run values (3)")
    database.fault()
    wait_for(lambda: database.rows(PRIMARY) == "1,3")


def test_restored_clusters_have_the_rows_of_the_time(aws: Running, database: Database) -> None:
    endpoint = database.writer()
    query(aws, endpoint, "create table run(id int); insert into run values (1)")
    then = datetime.fromisoformat(query(aws, endpoint, "select clock_timestamp()"))
    query(aws, endpoint, "insert into run values (2)")
    rds = database.rds[PRIMARY]
    rds.create_db_cluster_snapshot(DBClusterIdentifier=WRITER, DBClusterSnapshotIdentifier="before")
    query(aws, endpoint, "delete from run")

    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="as-of", SourceDBClusterIdentifier=WRITER, RestoreToTime=then
    )
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="of-snapshot", SnapshotIdentifier="before", Engine=ENGINE["Engine"]
    )

    ids = "select string_agg(id::text, ',' order by id) from run"
    assert query(aws, database.instance(PRIMARY, "as-of"), ids) == "1"
    assert query(aws, database.instance(PRIMARY, "of-snapshot"), ids) == "1,2"
    assert query(aws, endpoint, ids) == ""


def test_reset_leaves_no_process(aws: Running, database: Database) -> None:
    query(aws, database.writer(), "select 1")
    found = servers()
    assert found

    aws.emulator.reset()

    assert not any(each.is_running() for each in found)
