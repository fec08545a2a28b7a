"""PostgreSQL behind the endpoints of Aurora clusters, as a client of each region finds it, by psql."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dns.resolver
import psutil
import pytest

from dr.errors import Failed
from sandbox.aws.faults import DatabaseFault, RegionFault
from sandbox.databases import programs
from sandbox.server import Running, running
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(programs.lacking()), reason=f"not run: {programs.lacking()}")
PRIMARY, RECOVERY = "us-east-1", "us-west-2"
PASSWORD = "of-the-test"
GLOBAL, WRITER, READER = "global", "registry", "registry-dr"
ARN = f"arn:aws:rds:{RECOVERY}:123456789012:cluster:{READER}"
ENGINE = {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}
MASTER = {"MasterUsername": "owner", "MasterUserPassword": PASSWORD, "DatabaseName": "mlflow"}
LATER = 700
"""Seconds after which every modelled duration of these tests is over."""


@pytest.fixture
def aws() -> Iterator[Running]:
    with running() as started:
        yield started


class Database:
    """Clusters by boto3, and rows by psql."""

    def __init__(self, aws: Running) -> None:
        self.aws = aws
        self.rds = {region: aws.client("rds", region) for region in (PRIMARY, RECOVERY)}

    def cluster(self, region: str, name: str, **settings: Any) -> str:
        """Create a cluster with an instance, and return its endpoint."""
        self.rds[region].create_db_cluster(DBClusterIdentifier=name, **ENGINE, **settings)
        return self.instance(region, name)

    def instance(self, region: str, name: str) -> str:
        """Create an instance in a cluster, wait until it is available, and return the cluster's endpoint."""
        self.rds[region].create_db_instance(
            DBInstanceIdentifier=f"{name}-1",
            DBClusterIdentifier=name,
            Engine=ENGINE["Engine"],
            DBInstanceClass="db.r6g.large",
        )
        self.later(region)
        found = self.rds[region].describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
        return str(found[0]["Endpoint"])

    def later(self, region: str = RECOVERY) -> None:
        """Let every modelled duration pass."""
        self.aws.emulator.minutes.advance(LATER)
        self.rds[region].describe_global_clusters()
        self.rds[region].describe_db_instances()

    def writer(self) -> str:
        return self.cluster(PRIMARY, WRITER, **MASTER)

    def pair(self) -> tuple[str, str]:
        """Create a global cluster with a cluster in each region, and return their endpoints."""
        self.rds[PRIMARY].create_global_cluster(GlobalClusterIdentifier=GLOBAL, **ENGINE)
        return (
            self.cluster(PRIMARY, WRITER, GlobalClusterIdentifier=GLOBAL, **MASTER),
            self.cluster(RECOVERY, READER, GlobalClusterIdentifier=GLOBAL),
        )

    def switch_over(self) -> None:
        self.rds[PRIMARY].switchover_global_cluster(GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=ARN)
        self.later()
        self.aws.databases.settle()

    def fail_over(self) -> None:
        self.rds[RECOVERY].failover_global_cluster(
            GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=ARN, AllowDataLoss=True
        )
        self.later()
        self.aws.databases.settle()

    def rows(self, region: str) -> str:
        """Read the rows of a region's cluster as the administrator."""
        name = WRITER if region == PRIMARY else READER
        return self.aws.databases.sql(region, name, "select string_agg(id::text, ',' order by id) from run", "mlflow")

    def fault(self, *faults: Any) -> None:
        self.aws.emulator.faults.clear()
        for each in faults:
            self.aws.emulator.faults.add(each)
        self.aws.emulator.faults_changed()


@pytest.fixture
def database(aws: Running) -> Database:
    return Database(aws)


def resolve(aws: Running, name: str) -> str:
    host, _, port = aws.names.address.partition(":")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [host], int(port)
    return str(resolver.resolve(name, "A")[0])


def query(aws: Running, endpoint: str, text: str, password: str = PASSWORD, mode: str = "verify-full") -> str:
    """Ask an endpoint by its own name and port, which are verified by its certificate."""
    address = f"host={endpoint} hostaddr={resolve(aws, endpoint)} user=owner dbname=mlflow sslmode={mode}"
    done = subprocess.run(
        [str(programs.find().folder / "psql"), "-XAtqc", text, f"{address} sslrootcert={aws.authority.file}"],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "30"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConnectionError(done.stderr)
    return done.stdout.strip()


def test_client_reads_what_it_wrote_at_the_clusters_endpoint(aws: Running, database: Database) -> None:
    endpoint = database.writer()

    query(aws, endpoint, "create table run(id int); insert into run values (7)")

    assert query(aws, endpoint, "select id from run") == "7"


def test_no_server_runs_before_the_first_connection(aws: Running, database: Database) -> None:
    resolve(aws, database.writer())

    with pytest.raises(Failed, match="has no server"):
        aws.databases.sql(PRIMARY, WRITER, "select 1")


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
    found = [each for each in psutil.Process().children(recursive=True) if each.name().startswith("postgres")]
    assert found

    aws.emulator.reset()

    assert not any(each.is_running() for each in found)
