"""A global database over the emulator's RDS, as both stacks deploy it in tier pilot: the replica is headless."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.control import contract
from dr.topology.databases import REPLICA_METRIC, REPLICA_NAMESPACE
from dr.topology.topology import Role
from sandbox import timings
from sandbox.server import Running
from tests.support.builders import DNS, half
from tests.support.operations import CLUSTER, DNS_OF, EAST, REGIONS, WEST, Region, bucket

GLOBAL, HOME, AWAY = "ml-dr", "ml-dr-primary", "ml-dr-recovery"
VERSION, SIZE, ENGINE = "16.8", "db.r6g.large", "aurora-postgresql"
SPEED = "1000000"
"""Modelled durations are over at once."""


def arn(region: str, cluster: str) -> str:
    return f"arn:aws:rds:{region}:123456789012:cluster:{cluster}"


class Database:
    """The global database of a test, as RDS describes it.

    Args:
        aws: The emulator.
    """

    def __init__(self, aws: Running) -> None:
        self.aws = aws
        self.east, self.west = aws.client("rds", EAST), aws.client("rds", WEST)

    def create(self) -> None:
        """Create both clusters, and the instance of the primary one."""
        kind = {"Engine": ENGINE, "EngineVersion": VERSION, "GlobalClusterIdentifier": GLOBAL}
        self.east.create_global_cluster(**kind)
        user = {"MasterUsername": "registry", "MasterUserPassword": "a-password-of-a-test"}
        self.east.create_db_cluster(DBClusterIdentifier=HOME, **kind, **user)
        self.east.create_db_instance(
            DBInstanceIdentifier=f"{HOME}-1", DBClusterIdentifier=HOME, DBInstanceClass=SIZE, Engine=ENGINE
        )
        self.west.create_db_cluster(DBClusterIdentifier=AWAY, **kind)
        subnets = [each["SubnetId"] for each in self.aws.client("ec2", WEST).describe_subnets()["Subnets"]]
        self.west.create_db_subnet_group(DBSubnetGroupName="ml-dr", DBSubnetGroupDescription="zones", SubnetIds=subnets)

    def lag(self, seconds: float) -> None:
        """Publish a replication lag, as RDS does each minute."""
        value = {
            "MetricName": REPLICA_METRIC,
            "Value": seconds * 1000,
            "Timestamp": datetime.now(UTC) - timedelta(seconds=70),
        }
        dimensions = [{"Name": "DBClusterIdentifier", "Value": AWAY}]
        self.aws.client("cloudwatch", WEST).put_metric_data(
            Namespace=REPLICA_NAMESPACE, MetricData=[{**value, "Dimensions": dimensions}]
        )

    def copy_snapshot(self) -> str:
        """Copy a new snapshot of the primary region's cluster to the recovery region, and return its identifier."""
        made = self.east.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="taken", DBClusterIdentifier=HOME)[
            "DBClusterSnapshot"
        ]
        self.west.copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=made["DBClusterSnapshotArn"],
            TargetDBClusterSnapshotIdentifier="copied",
            SourceRegion=EAST,
        )
        return "copied"

    def publish(self, replica: bool = True, secret: str = "") -> None:
        """Write the contract with the database into both control buckets.

        Args:
            replica: Whether the recovery region has a replica.
            secret: Name of the secret with the login.
        """
        none = {"cluster": "", "arn": "", "subnet_group": "ml-dr"}
        records: dict[Role, dict[str, Any]] = {
            Role.PRIMARY: {"cluster": HOME, "arn": arn(EAST, HOME), "instances": [f"{HOME}-1"]},
            Role.RECOVERY: {"cluster": AWAY, "arn": arn(WEST, AWAY)} if replica else none,
        }
        common = {"global_cluster": GLOBAL, "engine_version": VERSION, "instance_class": SIZE, "secret": secret}
        for role, record in records.items():
            made = half(role, dns=DNS | DNS_OF[role], cluster=CLUSTER, database={**common, **record})
            for region in REGIONS.values():
                self.aws.client("s3", region).put_object(
                    Bucket=bucket(region, "control"), Key=contract.key_of(role), Body=json.dumps(made.to_dict())
                )

    @property
    def writer(self) -> str:
        """Identifier of the cluster that writes."""
        (found,) = self.west.describe_global_clusters(GlobalClusterIdentifier=GLOBAL)["GlobalClusters"]
        (name,) = [each["DBClusterArn"] for each in found["GlobalClusterMembers"] if each["IsWriter"]]
        return str(name).rpartition(":")[2]

    @property
    def instances(self) -> list[str]:
        """Identifiers of the recovery region's instances."""
        return [each["DBInstanceIdentifier"] for each in self.west.describe_db_instances()["DBInstances"]]

    def reset(self) -> None:
        """Make the primary region's cluster the writer, and the other one headless."""
        if self.writer != HOME:
            self.west.switchover_global_cluster(
                GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(EAST, HOME)
            )
            assert self.writer == HOME
        for each in self.instances:
            self.west.delete_db_instance(DBInstanceIdentifier=each, SkipFinalSnapshot=True)

    def remove(self, cluster: str) -> None:
        """Delete a cluster of the recovery region, if it exists, and its snapshots in both regions."""
        if cluster in [each["DBClusterIdentifier"] for each in self.west.describe_db_clusters()["DBClusters"]]:
            self.west.modify_db_cluster(DBClusterIdentifier=cluster, DeletionProtection=False)
            self.west.delete_db_cluster(DBClusterIdentifier=cluster, SkipFinalSnapshot=True)
        for rds in (self.west, self.east):
            for each in rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]:
                if each["DBClusterIdentifier"] == cluster:
                    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=each["DBClusterSnapshotIdentifier"])


@pytest.fixture
def database(deployed: Region, aws: Running, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A global database of both regions, in the contract."""
    monkeypatch.setenv(timings.SPEED_VARIABLE, SPEED)
    made = Database(aws)
    made.create()
    made.lag(0.25)
    made.publish()
    return made
