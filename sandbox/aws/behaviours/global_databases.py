"""Aurora global databases: the roles of their clusters, switchovers and failovers over time, and replication lag.

Sources: Aurora user guide, "Using switchover or failover in Amazon Aurora Global Database" (a target without an
instance is refused; after a managed failover the old primary returns as a secondary, with a snapshot of what was not
replicated) and "Amazon CloudWatch metrics for Amazon Aurora" (lag is published in secondary regions only). That no lag
is published while one of the two regions is lost is assumed.

State is kept on moto's objects, so that a reset drops it.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.rds.exceptions import DBClusterSnapshotAlreadyExistsError
from moto.rds.models import DBCluster, DBInstance, GlobalCluster, rds_backends

from sandbox import timings
from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.world import World

HOME = "us-east-1"
"""Region in which moto keeps global clusters."""
NAMESPACE, LAG_METRICS = "AWS/RDS", ("AuroraGlobalDBReplicationLag", "AuroraGlobalDBRPOLag")
RESETTING = "resetting-master-credentials"
USUAL_LAG = (60.0, 400.0)
"""Milliseconds of lag without a fault: "typically less than a second" (user guide, "Overview of Amazon Aurora Global
Database")."""


@dataclass(frozen=True)
class Stopwatch:
    """A modelled duration since its start, by the machine's time or by the sandbox's clock, whichever is ahead."""

    seconds: float
    started: float = field(default_factory=time.monotonic)
    started_at: datetime.datetime = field(default_factory=clock.now)

    @property
    def over(self) -> bool:
        """Whether the duration has passed."""
        by_machine = (time.monotonic() - self.started) * timings.speed()
        return max(by_machine, (clock.now() - self.started_at).total_seconds()) >= self.seconds


@dataclass(frozen=True)
class Promotion:
    """A switchover or failover in progress."""

    source: DBCluster
    target: DBCluster
    data_loss: bool
    stopwatch: Stopwatch

    @property
    def status(self) -> str:
        return "failing-over" if self.data_loss else "switching-over"


# Look-up ---------------------------------------------------------------------------------------------------------


def databases() -> dict[str, GlobalCluster]:
    """Global clusters by identifier; the look-up ignores case."""
    return rds_backends[ACCOUNT][HOME].global_clusters  # type: ignore[return-value]


def clusters() -> Iterator[DBCluster]:
    """The clusters of all regions."""
    for _, backend in list(rds_backends[ACCOUNT].items()):
        yield from list(backend.clusters.values())


def database_of(cluster: DBCluster) -> GlobalCluster | None:
    """The global cluster that a cluster is a member of."""
    return next((each for each in databases().values() if cluster in each.members), None)


def writer_of(database: GlobalCluster) -> DBCluster | None:
    """The primary cluster of a global cluster."""
    return next((each for each in database.members if each.is_writer), None)


def is_secondary(cluster: DBCluster) -> bool:
    """Whether a cluster is a member of a global cluster, and not its primary."""
    return database_of(cluster) is not None and not cluster.is_writer


def instances(cluster: DBCluster) -> list[DBInstance]:
    """The instances of a cluster, also those that are being created."""
    return [each for each in cluster.backend.databases.values() if each.db_cluster_identifier == cluster.resource_id]


def promotion_of(database: GlobalCluster) -> Promotion | None:
    """The switchover or failover in progress."""
    found: Promotion | None = vars(database).get("promotion")
    return found


def synchronization(world: World, database: GlobalCluster, member: DBCluster) -> str:
    """SynchronizationStatus of a member."""
    writer = writer_of(database)
    cut = writer is not None and member is not writer and world.faults.unreachable(writer.region, member.region)
    return "pending-resync" if cut or "returning" in vars(member) else "connected"


# Changes ---------------------------------------------------------------------------------------------------------


def join(database: GlobalCluster, cluster: DBCluster) -> None:
    """Give a new member its role: the first one is the primary."""
    cluster.global_cluster_identifier = database.global_cluster_identifier
    if cluster not in database.members:
        database.members.append(cluster)
    cluster.is_writer = len(database.members) == 1
    _follow(database)


def leave(database: GlobalCluster, cluster: DBCluster) -> None:
    """Make a member a standalone cluster that can be written to."""
    database.members.remove(cluster)
    cluster.global_cluster_identifier = cluster.replication_source_identifier = None
    cluster.is_writer = False
    vars(cluster).pop("returning", None)
    _follow(database)


def _follow(database: GlobalCluster) -> None:
    """Set the source of each secondary, and what it has in common with the primary."""
    writer = writer_of(database)
    for member in database.members:
        is_writer = member is writer
        member.replication_source_identifier = None if is_writer or writer is None else writer.db_cluster_arn
        if writer and not is_writer:
            member.master_username, member.database_name = writer.master_username, writer.database_name
        if not is_writer:
            for each in instances(member):
                vars(each)["is_cluster_writer"] = False


def promote(database: GlobalCluster, source: DBCluster, target: DBCluster, data_loss: bool) -> None:
    """Begin a switchover, or a failover that may lose data."""
    duration = timings.DATABASE_FAILOVER if data_loss else timings.DATABASE_SWITCHOVER
    stopwatch = Stopwatch(duration.of(target.db_cluster_arn))
    vars(database)["promotion"] = Promotion(source, target, data_loss, stopwatch)


def reset_password(cluster: DBCluster, former: str | None) -> None:
    """Begin to apply the new password of a cluster, which has the former one until then.

    API reference, ModifyDBCluster: asynchronous; ClusterPendingModifiedValues has the new one meanwhile. User guide,
    "Viewing Amazon Aurora DB cluster status": `resetting-master-credentials`.
    """
    change = (vars(cluster)["_master_user_password"], Stopwatch(timings.DATABASE_PASSWORD.of(cluster.db_cluster_arn)))
    vars(cluster).update(_master_user_password=former, password_change=change)
    vars(cluster)["pending_modified_values"] = {"MasterUserPassword": "****"}
    cluster.status = RESETTING


def settle_password(cluster: DBCluster) -> None:
    """Apply the new password of a cluster, if that is due."""
    change = vars(cluster).get("password_change")
    if change and change[1].over:
        del vars(cluster)["password_change"], vars(cluster)["pending_modified_values"]
        vars(cluster)["_master_user_password"] = change[0]
        cluster.status = "available"


def advance(world: World) -> None:
    """Complete what is due: new instances and passwords, promotions, and old primaries that return."""
    for region, backend in list(rds_backends[ACCOUNT].items()):
        for instance in list(backend.databases.values()):
            boot = vars(instance).get("boot")
            if boot and boot.over and not world.faults.unreachable(region):
                instance.status = "available"
                del vars(instance)["boot"]
        for cluster in list(backend.clusters.values()):
            if not world.faults.unreachable(region):
                settle_password(cluster)
    for database in list(databases().values()):
        _complete(world, database)
        for member in database.members:
            _return(world, member)


def _complete(world: World, database: GlobalCluster) -> None:
    promotion = promotion_of(database)
    if promotion is None:
        return
    source, target = promotion.source, promotion.target
    lost = world.faults.unreachable(target.region)
    # A switchover synchronizes both first. It does not complete when one of them is lost meanwhile.
    if lost or (not promotion.data_loss and world.faults.unreachable(source.region)):
        del vars(database)["promotion"]
        return
    if not promotion.stopwatch.over:
        return
    del vars(database)["promotion"]
    source.is_writer, target.is_writer = False, True
    if promotion.data_loss:
        vars(source)["returning"] = None
    _follow(database)


def _return(world: World, member: DBCluster) -> None:
    """Rebuild a cluster that was failed over from, once its region answers, and keep a snapshot of its old volume."""
    if "returning" not in vars(member) or world.faults.unreachable(member.region):
        return
    if vars(member)["returning"] is None:
        stamp = clock.now().strftime("%Y-%m-%d-%H-%M-%S")
        name = f"rds:unplanned-global-failover-{member.resource_id}-{stamp}"
        # Calls of two regions may come here at once, and two failovers within a second of a clock that stands still.
        with contextlib.suppress(DBClusterSnapshotAlreadyExistsError):
            member.backend.create_auto_cluster_snapshot(member.resource_id, name)
        vars(member)["returning"] = Stopwatch(timings.DATABASE_REBUILD.of(member.db_cluster_arn))
    elif vars(member)["returning"].over:
        del vars(member)["returning"]


# Lag -------------------------------------------------------------------------------------------------------------


def lag(world: World, member: DBCluster) -> float:
    """Milliseconds by which a secondary is behind its primary."""
    least, most = USUAL_LAG
    share = int.from_bytes(hashlib.sha256(member.db_cluster_arn.encode()).digest()[:4]) / 2**32
    return max(least + share * (most - least), world.faults.database_lag(member.region) * 1000)


def publish(world: World, minute: datetime.datetime) -> None:
    """Publish the lag of each secondary in its region, for one minute."""
    advance(world)
    at = minute.astimezone(datetime.UTC).replace(tzinfo=None)
    for database in list(databases().values()):
        for member in database.members:
            if member.is_writer or synchronization(world, database, member) != "connected":
                continue
            dimensions = [{"Name": "DBClusterIdentifier", "Value": member.resource_id}]
            value = lag(world, member)
            data: list[dict[str, Any]] = [
                {"MetricName": name, "Value": value, "Dimensions": dimensions, "Timestamp": at, "Unit": "Milliseconds"}
                for name in LAG_METRICS
            ]
            cloudwatch_backends[ACCOUNT][member.region].put_metric_data(NAMESPACE, data)
