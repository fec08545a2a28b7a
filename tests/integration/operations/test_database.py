"""The database's steps of failover, switchover and failback over the emulator's RDS; cluster and DNS are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.client
import pytest
from moto.rds.models import rds_backends

from dr.control import lease
from dr.control.incident_state import Incident, IncidentState
from dr.control.state_store import StateStore
from dr.errors import Failed, Refused
from dr.operations.operation import FAILBACK, FAILOVER, SWITCHOVER, Operation, execute, plan
from dr.operations.scene import Scene
from dr.operations.step_runner import Decision, Intervention
from dr.operations.steps import Step
from sandbox import timings
from sandbox.databases.clusters import credentials
from sandbox.server import Running
from tests.support.databases import AWAY, GLOBAL, HOME, SPEED, Database, arn
from tests.support.operations import (
    EAST,
    WEST,
    KilledError,
    Region,
    bucket,
    events,
    quick,
    run,
    scene,
    write_sentinel,
)

INSTANCE, RESTORED = f"{AWAY}-incident", "ml-dr-restored"
SAMPLE = 4
"""Without --all, an operation is killed after every fourth API call."""


@pytest.fixture
def lost(database: Database, control: Callable[..., Any]) -> Iterator[None]:
    """The primary region does not answer."""
    control("POST", "faults", {"kind": "region", "region": EAST, "unreachable": True, "with_global": True})
    yield
    control("DELETE", "faults")


def returned(deployed: Region, aws: Running, control: Callable[..., Any]) -> None:
    """Make the primary region healthy, with nothing left to replicate."""
    control("DELETE", "faults")
    deployed.primary_well = True
    write_sentinel(aws, datetime.now(UTC) + timedelta(hours=1))


@pytest.mark.usefixtures("lost")
def test_failover_makes_an_instance_in_a_headless_replica_and_promotes_it_without_the_lost_region(
    database: Database, deployed: Region
) -> None:
    made = run(FAILOVER)
    found = database.west.describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"][0]

    assert (database.writer, database.instances) == (AWAY, [INSTANCE])
    assert found["TagList"] == [{"Key": "dr-incident", "Value": made.run}]
    assert found["DBInstanceClass"] == "db.r6g.large"
    assert any("rows: ml-dr-recovery was 0.25 s behind" in each for each in made.loses)


@pytest.mark.usefixtures("lost", "replicated")
def test_failback_returns_the_database_and_removes_the_instance(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    run(FAILOVER)
    returned(deployed, aws, control)
    run(FAILBACK)

    assert (database.writer, database.instances) == (HOME, [])
    assert deployed.state().incident is None


@pytest.mark.usefixtures("replicated")
def test_switchover_and_failback_exchange_the_roles(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    returned(deployed, aws, control)
    made = run(SWITCHOVER)
    assert (database.writer, database.instances, made.loses) == (AWAY, [INSTANCE], ())

    run(FAILBACK)
    assert (database.writer, database.instances) == (HOME, [])


@pytest.mark.usefixtures("lost", "replicated")
def test_failback_waits_until_the_old_primary_is_synchronized_and_says_so(
    database: Database,
    deployed: Region,
    aws: Running,
    control: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(FAILOVER)
    returned(deployed, aws, control)
    monkeypatch.setenv(timings.SPEED_VARIABLE, "1")
    with pytest.raises(Failed, match="not confirmed after 0 s: ml-dr-primary is pending-resync"):
        run(quick(FAILBACK, "synchronize-database"))
    assert (database.writer, deployed.state().levers.engaged) == (AWAY, True)

    monkeypatch.setenv(timings.SPEED_VARIABLE, SPEED)
    assert run(FAILBACK).resumes
    assert database.writer == HOME


@pytest.mark.usefixtures("lost", "replicated")
def test_failback_says_that_the_old_primary_was_detached(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    run(FAILOVER)
    returned(deployed, aws, control)
    database.east.remove_from_global_cluster(GlobalClusterIdentifier=GLOBAL, DbClusterIdentifier=arn(EAST, HOME))

    with pytest.raises(Failed, match="ml-dr-primary does not belong to ml-dr: Aurora has detached it"):
        run(quick(FAILBACK, "synchronize-database"))
    assert database.instances == [INSTANCE]


@pytest.mark.usefixtures("lost", "replicated")
def test_failback_that_leaves_the_database_does_not_remove_the_instance_of_the_writer(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    run(FAILOVER)
    returned(deployed, aws, control)
    here = scene()
    made = plan(here, FAILBACK)
    skipped = {"return-database": Decision(Intervention.SKIP, "ada@laptop", "later")}
    with pytest.raises(Failed, match=r"ml-dr-recovery is the writer, and ml-dr-recovery-incident may be its only"):
        execute(here, FAILBACK, made, decisions=skipped)

    assert (database.writer, database.instances) == (AWAY, [INSTANCE])


# Guards ----------------------------------------------------------------------------------------------------------


def test_database_lag_beyond_the_objective_refuses_a_failover_with_its_value(
    database: Database, deployed: Region
) -> None:
    database.lag(7200)
    with pytest.raises(Refused, match=r"ml-dr-recovery was 7200 s behind .*\n .*--accept-data-loss 7201"):
        run(FAILOVER)
    assert (database.writer, database.instances) == (HOME, [])

    run(FAILOVER, accept_data_loss=timedelta(seconds=7201))
    assert database.writer == AWAY


def test_database_lag_beyond_the_objective_refuses_a_switchover(database: Database, deployed: Region) -> None:
    deployed.primary_well = True
    database.lag(7200)
    with pytest.raises(Refused, match=r"database-lag: rows: ml-dr-recovery was 7200 s behind"):
        run(SWITCHOVER)


def test_replica_that_does_not_exist_refuses_an_operation(database: Database, deployed: Region) -> None:
    database.west.remove_from_global_cluster(GlobalClusterIdentifier=GLOBAL, DbClusterIdentifier=arn(WEST, AWAY))
    with pytest.raises(Refused, match="database: ml-dr-recovery does not belong to ml-dr"):
        run(FAILOVER)


def test_no_operation_calls_rds_without_a_database(deployed: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    real = botocore.client.BaseClient._make_api_call

    def call(self: Any, operation: str, arguments: Any) -> Any:
        called.append(self.meta.service_model.service_name)
        return real(self, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    run(FAILOVER)
    assert "s3" in called
    assert "rds" not in called


# Without a replica -----------------------------------------------------------------------------------------------


@pytest.fixture
def snapshot(database: Database, control: Callable[..., Any]) -> str:
    """The recovery region has no replica, and a copy of a snapshot."""
    database.publish(replica=False)
    return database.copy_snapshot()


FINAL = "ml-dr-restored-{}"


def kept(database: Database) -> dict[str, list[str]]:
    """Return the manual snapshots of the restored cluster by region."""
    return {
        region: [
            each["DBClusterSnapshotIdentifier"]
            for each in rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
            if each["DBClusterIdentifier"] == RESTORED
        ]
        for region, rds in ((EAST, database.east), (WEST, database.west))
    }


def restored(database: Database) -> list[str]:
    found = [each["DBClusterIdentifier"] for each in database.west.describe_db_clusters()["DBClusters"]]
    return [name for name in found if name == RESTORED]


def test_failover_without_a_replica_restores_the_newest_snapshot(
    snapshot: str, database: Database, deployed: Region, aws: Running
) -> None:
    database.publish(replica=False, secret="ml-dr-database")
    aws.client("secretsmanager", WEST).create_secret(
        Name="ml-dr-database", SecretString=json.dumps({"password": "rotated-since-the-backup"})
    )
    made = run(FAILOVER)
    assert credentials(rds_backends["123456789012"][WEST].clusters[RESTORED]) == (
        "registry",
        "rotated-since-the-backup",
    )
    (cluster,) = database.west.describe_db_clusters(DBClusterIdentifier=RESTORED)["DBClusters"]
    assert (cluster["Status"], cluster["DeletionProtection"]) == ("available", True)
    assert cluster["TagList"] == [{"Key": "dr-incident", "Value": made.run}]
    assert database.instances == [f"{RESTORED}-incident"]
    (taken,) = database.west.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot)["DBClusterSnapshots"]
    assert f"rows of ml-dr-primary after {taken['SnapshotCreateTime']:%Y-%m-%d %H:%M:%S} UTC" in made.loses


@pytest.mark.usefixtures("replicated", "snapshot")
def test_failback_names_the_rows_of_a_restored_cluster_and_keeps_a_snapshot_in_both_regions_once_they_are_accepted(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    run(FAILOVER)
    (cluster,) = database.west.describe_db_clusters(DBClusterIdentifier=RESTORED)["DBClusters"]
    since = f"{cluster['ClusterCreateTime']:%Y-%m-%d %H:%M:%S} UTC"
    returned(deployed, aws, control)
    lost = f"rows that were written to {RESTORED} after {since} are in us-west-2 alone: nothing replicates them"
    with pytest.raises(Refused, match=rf"restored-rows: {lost}\n .*pg_dump.*`--accept restored-rows`"):
        run(FAILBACK)
    assert (restored(database), deployed.state().levers.engaged) == ([RESTORED], True)

    incident = deployed.state().incident
    assert incident is not None
    made = run(FAILBACK, accept=frozenset({"restored-rows"}))
    assert made.loses == (lost,)
    final = FINAL.format(incident.id.lower())
    assert (restored(database), database.instances, kept(database)) == ([], [], {EAST: [final], WEST: [final]})
    assert (database.writer, deployed.state().incident) == (HOME, None)


@pytest.mark.usefixtures("replicated", "snapshot")
def test_failback_that_is_resumed_without_the_acceptance_stops_before_clients_return(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    run(FAILOVER)
    returned(deployed, aws, control)
    for operation in (replace(FAILBACK, guards=()), FAILBACK):
        with pytest.raises(Failed, match=r"ml-dr-restored .* are in us-west-2 alone.*\n.*--accept restored-rows"):
            run(operation)
        assert (restored(database), deployed.state().levers.engaged) == ([RESTORED], True)

    assert run(FAILBACK, accept=frozenset({"restored-rows"})).resumes
    assert restored(database) == []


@pytest.mark.usefixtures("replicated", "snapshot")
def test_failback_removes_the_restored_cluster_after_a_deployment_has_made_a_replica(
    database: Database, deployed: Region, aws: Running, control: Callable[..., Any]
) -> None:
    run(FAILOVER)
    returned(deployed, aws, control)
    database.publish(replica=True)
    with pytest.raises(Refused, match="restored-rows: rows that were written to ml-dr-restored"):
        run(FAILBACK)

    run(FAILBACK, accept=frozenset({"restored-rows"}))
    assert (restored(database), database.instances, database.writer) == ([], [], HOME)
    assert [len(each) for each in kept(database).values()] == [1, 1]


def test_failover_does_not_take_the_cluster_that_another_incident_left(
    snapshot: str, database: Database, deployed: Region
) -> None:
    database.west.restore_db_cluster_from_snapshot(
        DBClusterIdentifier=RESTORED,
        SnapshotIdentifier=snapshot,
        Engine="aurora-postgresql",
        Tags=[{"Key": "dr-incident", "Value": "20260101T000000Z-000000"}],
    )
    older = f"{RESTORED} was restored by incident 20260101T000000Z-000000, and not by this one"
    with pytest.raises(Refused, match=f"database: {older}"):
        run(FAILOVER)
    assert deployed.state().incident is None

    with pytest.raises(Failed, match=older):
        run(FAILOVER, accept=frozenset({"database"}))
    assert database.instances == []


def test_failover_without_replica_and_snapshot_is_refused(database: Database, deployed: Region) -> None:
    database.publish(replica=False)
    with pytest.raises(Refused, match="us-west-2 has no snapshot of ml-dr-primary"):
        run(FAILOVER)


# Whatever dies on the way ----------------------------------------------------------------------------------------


def only_database(operation: Operation) -> Operation:
    """Return the database's steps of an operation, without waits."""

    def steps() -> list[Step[Scene]]:
        kept = [step for step in operation.steps() if "database" in step.name]
        names = {step.name for step in kept}
        after = {step.name: tuple(name for name in step.after or () if name in names) for step in kept}
        return [replace(step, poll=timedelta(0), after=after[step.name]) for step in kept]

    return replace(operation, steps=steps)


def start_again(database: Database) -> None:
    incident = Incident("20261129T120000Z-a1b2c3", "2026-11-29T12:00:00+00:00", "a test")
    StateStore(WEST, bucket(WEST, "control")).update(lambda stored: IncidentState(incident=incident))
    database.reset()


def forwards(database: Database) -> tuple[str, list[str]]:
    return database.writer, database.instances


@pytest.mark.parametrize("name", ["switchover", "failback", "restore", "return"])
def test_database_steps_that_are_killed_after_any_api_call_are_completed_by_the_next_run(
    name: str, database: Database, deployed: Region, aws: Running, die_after: Any, everything: bool
) -> None:
    operation = only_database(
        {"switchover": SWITCHOVER, "failback": FAILBACK, "restore": FAILOVER, "return": FAILBACK}[name]
    )
    deployed.primary_well = name != "restore"
    if name in ("restore", "return"):
        database.publish(replica=False)
        database.copy_snapshot()
    wanted = {
        "switchover": (AWAY, [INSTANCE]),
        "failback": (HOME, []),
        "restore": (HOME, [f"{RESTORED}-incident"]),
        "return": (HOME, []),
    }[name]
    accept = frozenset({"restored-rows"})

    def begin() -> None:
        start_again(database)
        if name == "failback":
            execute(scene(), ready, replace(plan(scene(), ready), findings=()))
        if name in ("restore", "return"):
            database.remove(RESTORED)
        if name == "return":
            execute(scene(), restoring, replace(plan(scene(), restoring), findings=()))

    restoring = replace(only_database(FAILOVER), guards=())
    ready = replace(only_database(SWITCHOVER), guards=())
    free = replace(operation, guards=())
    begin()
    here = scene(accept=accept)
    made = plan(here, free)
    die_after(0)
    execute(here, free, made)
    total = die_after.count[0]
    assert total > 10
    assert forwards(database) == wanted

    for number in range(1, total + 1, 1 if everything else SAMPLE):
        die_after(0)
        begin()
        here = scene(accept=accept)
        made = plan(here, free)
        die_after(number)
        with suppress(KilledError, Refused, Failed):
            execute(here, free, made)
        die_after(0)
        again = plan(scene(), free)
        execute(scene(run=again.run, accept=accept), free, again, take_over=lease.holder())
        assert forwards(database) == wanted, number
        if name == "return":
            assert (restored(database), [len(each) for each in kept(database).values()]) == ([], [1, 1]), number
        assert len([each for each in events(again.run) if each[0] == "run.finished"]) == 1
