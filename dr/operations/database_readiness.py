"""Whether the recovery region's database can become the writer: synchronized, of the same version, and near enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from dr.data import global_database
from dr.data.global_database import AVAILABLE, Cluster, GlobalDatabase
from dr.errors import DrError
from dr.findings import Finding, Status, measured
from dr.operations import losses
from dr.operations.database_steps import REMOVE_LEFT, is_restored, left_over
from dr.operations.inspected import PRIMARY_BY, Inspected
from dr.operations.lookups import Pending
from dr.operations.scene import Scene
from dr.topology.tiers import describe_duration

NAME, LAG = "database", "database-lag"
NONE = "dr:database is none"
NO_REPLICA = "`pulumi up -s dr` creates one, in a tier that has it; a failover restores a snapshot"
VERSIONS = (
    "a global database is promoted only with equal versions (Aurora user guide, on switchovers and failovers): upgrade "
    "the clusters"
)


def look(inspected: Inspected) -> Iterator[Finding]:
    """Check the database of the recovery region. It can be synchronized only while the primary region answers."""
    scene, home = inspected.scene, inspected.scene.primary.database
    if home is None:
        yield Finding(f"{NAME} in {inspected.region}", Status.INFO, NONE)
        return
    there = inspected.ask_primary("the database", lambda: global_database.read_cluster(scene.home, home.cluster))
    ready = synchronized if _answers(there) and _has_replica(scene) else able
    for name, guard in ((NAME, ready), ("database lag", lag)):
        yield replace(measured(name, partial(guard, scene)), name=f"{name} in {inspected.region}")


def _has_replica(scene: Scene) -> bool:
    """Return whether the region has a replica, or should have one by its tier."""
    database = scene.topology.database
    return not is_restored(scene) or (database is not None and database.replicas(scene.tier) is not None)


def _answers(there: Pending[Any]) -> bool:
    try:
        there.result(PRIMARY_BY)
    except DrError:
        return False
    return True


def lag(scene: Scene) -> Finding:
    """Judge how far the recovery region's database is behind."""
    if scene.primary.database is None:
        return Finding(LAG, Status.MET, NONE)
    found = losses.of_database(scene)
    objective = f"at most {describe_duration(found.objective)}"
    if found.lost > found.objective:
        hint = "load and network of the primary region's database: a failover would lose more rows than the objective"
        return Finding(LAG, Status.MISSED, found.fact, hint, objective)
    return Finding(LAG, Status.MET, found.fact, "", objective)


def able(scene: Scene) -> Finding:
    """Check that a failover finds a replica that can be promoted, or a snapshot."""
    return _ready(scene, wants_sync=False)


def synchronized(scene: Scene) -> Finding:
    """Check that a switchover loses no row: the replica is connected, of the same version, and within the objective."""
    home = scene.primary.database
    if home and is_restored(scene):
        return Finding(NAME, Status.MISSED, f"{scene.region} has no replica of {home.cluster}", NO_REPLICA)
    return _ready(scene, wants_sync=True)


def _ready(scene: Scene, wants_sync: bool) -> Finding:
    home, away = scene.primary.database, scene.recovery.database
    if home is None:
        return Finding(NAME, Status.MET, NONE)
    if away is None or is_restored(scene):
        if older := left_over(scene):
            return Finding(NAME, Status.MISSED, older, REMOVE_LEFT)
        found = global_database.newest_snapshot(scene.region, home.cluster)
        if found is None:
            hint = "without one, the rows are lost; `dr check` shows the copies of AWS Backup"
            return Finding(NAME, Status.MISSED, f"{scene.region} has no snapshot of {home.cluster}", hint)
        return Finding(NAME, Status.MET, f"snapshot {found.identifier} of {found.created:%Y-%m-%d %H:%M:%S} UTC")
    cluster = global_database.read_cluster(scene.region, away.cluster)
    database = global_database.read_global(scene.region, home.global_cluster)
    return judge(away.arn, away.cluster, cluster, database, wants_sync)


def judge(arn: str, name: str, cluster: Cluster | None, database: GlobalDatabase, wants_sync: bool) -> Finding:
    """Judge the replica. Pure.

    Args:
        arn: ARN of the recovery region's cluster.
        name: Its identifier.
        cluster: What its region says of it; None if it does not exist.
        database: The global database.
        wants_sync: Whether it has to be synchronized: without a primary region, it cannot be.
    """
    if cluster is None:
        return Finding(NAME, Status.MISSED, f"{name} does not exist", "`pulumi up -s dr`")
    member = database.member(arn)
    if member is None:
        hint = "a cluster that was detached gets no rows: delete it, and `pulumi up -s dr` makes a secondary again"
        return Finding(NAME, Status.MISSED, f"{name} does not belong to {database.identifier}", hint)
    if member.writer:
        return Finding(NAME, Status.MET, f"{name} is the writer of {database.identifier}")
    if cluster.status != AVAILABLE:
        return Finding(NAME, Status.MISSED, f"{name} is {cluster.status}", "wait until it is available")
    if cluster.engine_version != database.engine_version:
        fact = f"{name} has version {cluster.engine_version}, {database.identifier} {database.engine_version}"
        return Finding(NAME, Status.MISSED, fact, VERSIONS)
    if wants_sync and not member.synchronized:
        fact = f"{name} is {member.synchronization}"
        return Finding(NAME, Status.MISSED, fact, "wait until Aurora has synchronized it: minutes to hours")
    instances = f"{len(cluster.instances)} instances" if cluster.instances else "no instance: it is headless"
    return Finding(NAME, Status.MET, f"{name} is {member.synchronization or AVAILABLE}, with {instances}")
