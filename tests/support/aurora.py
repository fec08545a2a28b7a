"""Aurora clusters of the sandbox by boto3, and their rows by psql."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import dns.resolver

from sandbox.databases import programs
from sandbox.server import Running

PRIMARY, RECOVERY = "us-east-1", "us-west-2"
PASSWORD = "of-the-test"
GLOBAL, WRITER, READER = "global", "registry", "registry-dr"
ARN = f"arn:aws:rds:{RECOVERY}:123456789012:cluster:{READER}"
ENGINE = {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}
MASTER = {"MasterUsername": "owner", "MasterUserPassword": PASSWORD, "DatabaseName": "mlflow"}
LATER = 700
"""Seconds after which every modelled duration of these tests is over."""


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
