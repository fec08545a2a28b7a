"""The global database as RDS describes it: who writes, what is synchronized, and the state of each region's cluster.

Aurora user guide, "Using switchover or failover in Amazon Aurora Global Database". Each region answers for its own
clusters; the global database is described by any region that has one of its clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dr.clients import Missing, calls, client
from dr.names import INCIDENT_TAG
from dr.topology.databases import ENGINE

AVAILABLE = "available"
CONNECTED = "connected"
"""Status of a cluster that is synchronized; the other one is `pending-resync` (RDS API, GlobalClusterMember)."""


@dataclass(frozen=True)
class Member:
    """A cluster of a global database.

    Args:
        arn: Its ARN.
        writer: Whether it is the primary cluster.
        synchronization: "connected" or "pending-resync"; "" if RDS does not say.
    """

    arn: str
    writer: bool
    synchronization: str

    @property
    def region(self) -> str:
        """Its region."""
        return self.arn.split(":")[3]

    @property
    def synchronized(self) -> bool:
        """Whether it is not known to be behind by more than its lag."""
        return self.synchronization in {CONNECTED, ""}


@dataclass(frozen=True)
class GlobalDatabase:
    """A global database.

    Args:
        identifier: Its identifier.
        status: Its status: "available".
        engine_version: Version of its engine.
        members: Its clusters.
        change: Status of a switchover or failover in process: "failing-over"; "" without one.
        target: ARN of the cluster that is being promoted; "" without one.
    """

    identifier: str
    status: str
    engine_version: str
    members: tuple[Member, ...] = ()
    change: str = ""
    target: str = ""

    def member(self, arn: str) -> Member | None:
        """Return a cluster by its ARN; None if it does not belong to the global database."""
        return next((each for each in self.members if each.arn == arn), None)

    def writes(self, arn: str) -> bool:
        """Return whether a cluster is the primary one, and stays so."""
        found = self.member(arn)
        return bool(found and found.writer) and not self.change

    @property
    def primary(self) -> Member | None:
        """The cluster that writes; None without one."""
        return next((each for each in self.members if each.writer), None)

    @property
    def writer(self) -> str:
        """Identifier of the cluster that writes, and what changes; "none" without one."""
        name = self.primary.arn.rpartition(":")[2] if self.primary else "none"
        return f"{name}, {self.change}" if self.change else name


@dataclass(frozen=True)
class Cluster:
    """A region's cluster.

    Args:
        identifier: Its identifier.
        status: Its status: "available".
        engine_version: Version of its engine.
        instances: Its instances, each with whether it writes; none in a headless cluster.
        endpoint: Its writer endpoint.
        created: When it was created, or restored; None if RDS does not say.
        incident: ID of the incident that created it; "" for a cluster of a stack.
        key: ARN of the KMS key that encrypts it; "" if it is not encrypted.
    """

    identifier: str
    status: str
    engine_version: str
    instances: Mapping[str, bool]
    endpoint: str = ""
    created: datetime | None = None
    incident: str = ""
    key: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a cluster.

    Args:
        identifier: Its identifier.
        created: When it was taken.
    """

    identifier: str
    created: datetime


def parse_global(found: Mapping[str, Any]) -> GlobalDatabase:
    """Return a global database of an answer of DescribeGlobalClusters. Pure."""
    change = found.get("FailoverState") or {}
    return GlobalDatabase(
        found["GlobalClusterIdentifier"],
        found.get("Status", ""),
        found.get("EngineVersion", ""),
        tuple(
            Member(each["DBClusterArn"], bool(each.get("IsWriter")), each.get("SynchronizationStatus") or "")
            for each in found.get("GlobalClusterMembers", ())
        ),
        change.get("Status", ""),
        change.get("ToDbClusterArn", ""),
    )


def read_global(region: str, identifier: str) -> GlobalDatabase:
    """Return a global database, as a region describes it.

    Raises:
        Missing: It does not exist.
        Unreachable: The region does not answer.
    """
    with calls(f"global database {identifier}", region):
        found = client("rds", region).describe_global_clusters(GlobalClusterIdentifier=identifier)["GlobalClusters"]
    return parse_global(found[0])


def read_cluster(region: str, identifier: str) -> Cluster | None:
    """Return a region's cluster; None if it does not exist. Raises as `read_global`."""
    try:
        with calls(f"database cluster {identifier}", region):
            (found,) = client("rds", region).describe_db_clusters(DBClusterIdentifier=identifier)["DBClusters"]
    except Missing:
        return None
    members = found.get("DBClusterMembers", ())
    instances = {each["DBInstanceIdentifier"]: bool(each.get("IsClusterWriter")) for each in members}
    version, created = found.get("EngineVersion", ""), found.get("ClusterCreateTime")
    incident = next((each["Value"] for each in found.get("TagList", ()) if each["Key"] == INCIDENT_TAG), "")
    key, endpoint = found.get("KmsKeyId", "") if found.get("StorageEncrypted") else "", found.get("Endpoint", "")
    return Cluster(identifier, found["Status"], version, instances, endpoint, created, incident, key)


def instance_status(region: str, identifier: str) -> str:
    """Return the status of an instance: "available", "creating"; "" if it does not exist. Raises as `read_global`."""
    try:
        with calls(f"database instance {identifier}", region):
            (found,) = client("rds", region).describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
    except Missing:
        return ""
    return str(found["DBInstanceStatus"])


def create_instance(region: str, cluster: str, instance: str, size: str, tags: Iterable[dict[str, str]] = ()) -> None:
    """Create an instance in a cluster.

    Args:
        region: Region of the cluster.
        cluster: Identifier of the cluster.
        instance: Identifier of the instance.
        size: Its class.
        tags: Its tags.

    Raises:
        Failed: RDS refused the call.
        Unreachable: The region does not answer.
    """
    with calls(f"database instance {instance}", region):
        client("rds", region).create_db_instance(
            DBInstanceIdentifier=instance,
            DBClusterIdentifier=cluster,
            Engine=ENGINE,
            DBInstanceClass=size,
            PubliclyAccessible=False,
            Tags=list(tags),
        )


def read_snapshot(region: str, identifier: str) -> str:
    """Return the status of a snapshot of a cluster: "available", "copying"; "" if it does not exist.

    Raises as `read_global`.
    """
    try:
        with calls(f"snapshot {identifier}", region):
            (found,) = client("rds", region).describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=identifier)[
                "DBClusterSnapshots"
            ]
    except Missing:
        return ""
    return str(found["Status"])


def newest_snapshot(region: str, cluster: str) -> Snapshot | None:
    """Return the newest complete snapshot of a cluster that a region has; None without one.

    A copy keeps the identifier of the cluster that it was taken of. Recovery points of AWS Backup are snapshots of the
    type `awsbackup`, which RDS lists only when asked for (AWS Backup developer guide, "Restore an Amazon Aurora
    cluster").

    Args:
        region: The region.
        cluster: Identifier of the cluster, which may be one of another region.

    Raises:
        Unreachable: The region does not answer.
    """
    found: list[Mapping[str, Any]] = []
    with calls(f"snapshots of {cluster}", region):
        pages = client("rds", region).get_paginator("describe_db_cluster_snapshots")
        for kind in ({}, {"SnapshotType": "awsbackup"}):
            found += [each for page in pages.paginate(**kind) for each in page["DBClusterSnapshots"]]
    return newest(found, cluster)


def newest(snapshots: Iterable[Mapping[str, Any]], cluster: str) -> Snapshot | None:
    """Return the newest available snapshot of a cluster; None without one. Pure."""
    whole = (
        Snapshot(each["DBClusterSnapshotIdentifier"], each["SnapshotCreateTime"])
        for each in snapshots
        if each["Status"] == AVAILABLE and each["DBClusterIdentifier"] == cluster
    )
    return max(whole, key=lambda each: each.created, default=None)
