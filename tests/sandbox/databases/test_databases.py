"""PostgreSQL behind the endpoints of Aurora clusters, as a client of each region finds it, by psql."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import dns.resolver
import pytest

from sandbox.databases import programs
from sandbox.server import Running, running
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(programs.lacking()), reason=f"not run: {programs.lacking()}")
PRIMARY, RECOVERY = "us-east-1", "us-west-2"
PASSWORD = "of-the-test"


@pytest.fixture
def aws() -> Iterator[Running]:
    with running() as started:
        yield started


def create(aws: Running, region: str, name: str, **settings: Any) -> str:
    """Create a cluster with an instance, and return its endpoint."""
    rds = aws.client("rds", region)
    rds.create_db_cluster(DBClusterIdentifier=name, Engine="aurora-postgresql", **settings)
    rds.create_db_instance(
        DBInstanceIdentifier=f"{name}-1",
        DBClusterIdentifier=name,
        Engine="aurora-postgresql",
        DBInstanceClass="db.r6g.large",
    )
    return str(rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Endpoint"])


def writer(aws: Running) -> str:
    return create(aws, PRIMARY, "registry", MasterUsername="owner", MasterUserPassword=PASSWORD, DatabaseName="mlflow")


def global_pair(aws: Running) -> tuple[str, str]:
    """Create a global cluster with a cluster in each region, and return their endpoints."""
    aws.client("rds", PRIMARY).create_global_cluster(GlobalClusterIdentifier="global", Engine="aurora-postgresql")
    joined = {"GlobalClusterIdentifier": "global"}
    managed = {"MasterUsername": "owner", "ManageMasterUserPassword": True, "DatabaseName": "mlflow"}
    first = create(aws, PRIMARY, "registry", **managed, **joined)
    secrets = aws.client("secretsmanager", PRIMARY)
    (secret,) = secrets.list_secrets(IncludePlannedDeletion=False)["SecretList"]
    value = {"username": "owner", "password": PASSWORD}
    secrets.put_secret_value(SecretId=secret["ARN"], SecretString=json.dumps(value))
    return first, create(aws, RECOVERY, "registry-dr", **joined)


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


def make_writer(aws: Running, region: str) -> None:
    """Change the writer of the global cluster, as the API does."""
    from moto.rds.models import rds_backends

    (found,) = (each for backend in rds_backends["123456789012"].values() for each in backend.global_clusters.values())
    for member in found.members:
        member.is_writer = member.region == region
    aws.databases.changed()


def test_client_reads_what_it_wrote_at_the_clusters_endpoint(aws: Running) -> None:
    endpoint = writer(aws)

    query(aws, endpoint, "create table run(id int); insert into run values (7)")

    assert query(aws, endpoint, "select id from run") == "7"


def test_no_server_runs_before_the_first_connection(aws: Running) -> None:
    resolve(aws, writer(aws))

    with pytest.raises(Exception, match="has no server"):
        aws.databases.sql(PRIMARY, "registry", "select 1")


def test_wrong_password_and_a_connection_without_tls_are_refused(aws: Running) -> None:
    endpoint = writer(aws)

    with pytest.raises(ConnectionError, match="password authentication failed"):
        query(aws, endpoint, "select 1", password="wrong")
    with pytest.raises(ConnectionError, match="no encryption"):
        query(aws, endpoint, "select 1", mode="disable")


def test_cluster_without_an_instance_and_an_unreachable_region_do_not_answer(aws: Running) -> None:
    endpoint = writer(aws)
    query(aws, endpoint, "select 1")

    aws.emulator.faults.add(unreachable(PRIMARY))
    aws.emulator.faults_changed()
    with pytest.raises(ConnectionError):
        query(aws, endpoint, "select 1")
    aws.emulator.faults.clear()
    aws.client("rds", PRIMARY).delete_db_instance(DBInstanceIdentifier="registry-1")

    with pytest.raises(ConnectionError):
        query(aws, endpoint, "select 1")


def unreachable(region: str) -> Any:
    from sandbox.aws.faults import RegionFault

    return RegionFault(region, unreachable=True)


def test_secondary_receives_rows_and_its_endpoint_for_writing_leads_nowhere(aws: Running) -> None:
    first, second = global_pair(aws)
    query(aws, first, "create table run(id int); insert into run values (7)")

    wait_for(lambda: aws.databases.sql(RECOVERY, "registry-dr", "select id from run", "mlflow") == "7")

    with pytest.raises(ConnectionError):
        query(aws, second, "select 1")
    reader = second.replace(".cluster-", ".cluster-ro-")
    assert query(aws, reader, "select id from run") == "7"
    with pytest.raises(ConnectionError, match="read-only"):
        query(aws, reader, "insert into run values (8)")


def test_switchover_loses_nothing_and_the_former_writer_follows(aws: Running) -> None:
    first, second = global_pair(aws)
    query(aws, first, "create table run(id int); insert into run select generate_series(1, 1000)")

    make_writer(aws, RECOVERY)
    aws.databases.settle()

    assert query(aws, second, "select count(*) from run") == "1000"
    query(aws, second, "insert into run values (1001)")
    read = lambda: aws.databases.sql(PRIMARY, "registry", "select count(*) from run", "mlflow")  # noqa: E731
    wait_for(lambda: read() == "1001")


def test_failover_loses_what_was_not_received_and_the_former_writer_undoes_it(aws: Running) -> None:
    first, second = global_pair(aws)
    query(aws, first, "create table run(id int); insert into run values (1)")
    count = "select count(*) from run"
    wait_for(lambda: aws.databases.sql(RECOVERY, "registry-dr", count, "mlflow") == "1")

    aws.emulator.faults.add(unreachable(PRIMARY))
    aws.emulator.faults_changed()
    aws.databases.sql(PRIMARY, "registry", "insert into run values (2)", "mlflow")
    make_writer(aws, RECOVERY)
    aws.databases.settle()

    assert query(aws, second, "select id from run") == "1"
    query(aws, second, "insert into run values (3)")
    aws.emulator.faults.clear()
    aws.emulator.faults_changed()
    rows = "select string_agg(id::text, ',' order by id) from run"
    wait_for(lambda: aws.databases.sql(PRIMARY, "registry", rows, "mlflow") == "1,3")


def test_restored_cluster_has_the_rows_of_the_time(aws: Running) -> None:
    endpoint = writer(aws)
    query(aws, endpoint, "create table run(id int); insert into run values (1)")
    then = query(aws, endpoint, "select clock_timestamp()")
    query(aws, endpoint, "delete from run")
    copy = create(aws, PRIMARY, "restored", MasterUsername="owner", MasterUserPassword=PASSWORD)
    from moto.rds.models import rds_backends

    held = rds_backends["123456789012"][PRIMARY].clusters

    aws.databases.restored(held["restored"], held["registry"], then)

    assert query(aws, copy, "select id from run") == "1"
    assert query(aws, endpoint, "select count(*) from run") == "0"
