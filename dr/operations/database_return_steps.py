"""Steps of a failback that return the database to the primary region, and remove what the incident created."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dr.clients import calls, client
from dr.control.contract import DatabaseRecord
from dr.data import global_database
from dr.data.global_database import AVAILABLE, Cluster, GlobalDatabase
from dr.errors import Failed, Problem
from dr.names import incident_instance_name, restored_cluster_name
from dr.operations import restored_rows
from dr.operations.database_steps import NONE, SLOW, cluster_name, is_restored, restored_cluster
from dr.operations.database_writer_steps import change_to
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict

RESYNC = (
    "Aurora rebuilds the old primary cluster from the new one once its region is healthy, and keeps a snapshot of it "
    "as it was (rds:unplanned-global-failover-...); a cluster that it detached has to be deleted, and made a secondary "
    "by `pulumi up -s primary`"
)


def synchronize(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that waits until the primary region's cluster is a synchronized secondary."""

    def evaluate(scene: Scene) -> Verdict:
        home = scene.primary.database
        if home is None:
            return NONE
        if is_restored(scene):
            return Verdict(State.DONE, f"{scene.region} has no replica")
        found = global_database.read_global(scene.region, home.global_cluster)
        return _synchronized(scene, home, found)

    return Step(
        name="synchronize-database",
        title="Wait until the primary region's database is synchronized",
        evaluate=evaluate,
        act=lambda scene, report: None,
        timeout=timedelta(hours=2),
        expected=timedelta(minutes=10),
        source="an estimate: it depends on the volume of the data",
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        slow=RESYNC,
        without="the database stays in the recovery region, also after the failback",
    )


def return_writer(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that switches the database over to the primary region.

    No row of a replica is lost. Those of a restored cluster do not come along, and the operator accepts that.
    """

    def evaluate(scene: Scene) -> Verdict:
        home = scene.primary.database
        if home is None:
            return NONE
        rows = restored_rows.stranded(scene)
        if rows and not restored_rows.accepted(scene):
            return Verdict(State.NEEDED, rows, (rows,))
        loses = (rows,) if rows else ()
        # Only a region with a cluster of the global database describes it.
        found = global_database.read_global(scene.home if is_restored(scene) else scene.region, home.global_cluster)
        if not found.writes(home.arn):
            return Verdict(State.NEEDED, f"the writer is {found.writer}", loses)
        cluster = global_database.read_cluster(scene.home, home.cluster)
        if cluster is None or cluster.status != AVAILABLE or not any(cluster.instances.values()):
            return Verdict(State.NEEDED, f"{home.cluster} is the primary cluster, and is not available yet", loses)
        return Verdict(State.DONE, f"{home.cluster} is the writer of {found.identifier}", loses)

    def act(scene: Scene, report: Report) -> None:
        home = scene.primary.database
        if (rows := restored_rows.stranded(scene)) and not restored_rows.accepted(scene):
            raise Failed(
                Problem("the database", rows, f"{restored_rows.COPY}; then add `--accept {restored_rows.NAME}`")
            )
        if home:
            change_to(scene.home, scene, home.arn, lost=False)

    return Step(
        name="return-database",
        title="Switch the database over to the primary region",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(minutes=30),
        expected=timedelta(minutes=5),
        source="an estimate: minutes, in proportion to the lag (Aurora user guide, on switchovers)",
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        slow=SLOW,
        without="the database stays in the recovery region, and applications of the primary region write there",
    )


def remove(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that removes the instances and the cluster that the incident created."""

    def evaluate(scene: Scene) -> Verdict:
        if scene.primary.database is None:
            return NONE
        for instance in _instances(scene):
            if status := global_database.instance_status(scene.region, instance):
                return Verdict(State.NEEDED, f"{instance} is {status}")
        if found := restored_cluster(scene):
            return Verdict(State.NEEDED, f"remove {found.identifier}, and keep a snapshot")
        return Verdict(State.DONE, f"{scene.region} has no instance of the incident")

    def act(scene: Scene, report: Report) -> None:
        home, rds = scene.primary.database, client("rds", scene.region)
        if home and not is_restored(scene):
            found = global_database.read_global(scene.region, home.global_cluster)
            if not found.writes(home.arn):
                instance = incident_instance_name(cluster_name(scene))
                fact = f"{found.writer} is the writer, and {instance} may be its only instance"
                remedy = "return the database first, or keep the instance: `--skip remove-database-instance`"
                raise Failed(Problem(instance, fact, remedy))
        for instance in _instances(scene):
            if global_database.instance_status(scene.region, instance) not in {"", "deleting"}:
                with calls(f"database instance {instance}", scene.region):
                    rds.delete_db_instance(DBInstanceIdentifier=instance, SkipFinalSnapshot=True)
        if restored := restored_cluster(scene):
            _remove_cluster(scene, restored, rds)

    return Step(
        name="remove-database-instance",
        title="Remove the database instance of the incident",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(minutes=30),
        expected=timedelta(minutes=5),
        source="an estimate: minutes for an instance of Aurora",
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.CAPACITY,
        slow=SLOW,
        without="the instance stays in the recovery region, and costs as much as one of the program",
    )


def _instances(scene: Scene) -> tuple[str, ...]:
    """Return the reserved names of instances: of the region's cluster, and of one that was restored."""
    clusters = (cluster_name(scene), restored_cluster_name(scene.topology.bucket_prefix))
    return tuple(dict.fromkeys(map(incident_instance_name, clusters)))


def _remove_cluster(scene: Scene, found: Cluster, rds: Any) -> None:
    """Delete the restored cluster. RDS does so once its instances are deleted, and takes the final snapshot first."""
    if found.status == "deleting":
        return
    name, final = found.identifier, restored_rows.final_snapshot(scene)
    with calls(f"database cluster {name}", scene.region):
        rds.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
        rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=False, FinalDBSnapshotIdentifier=final)


def _synchronized(scene: Scene, home: DatabaseRecord, found: GlobalDatabase) -> Verdict:
    """Return whether the primary region's cluster can become the writer again, or is it."""
    if found.writes(home.arn):
        return Verdict(State.DONE, f"{home.cluster} is the writer")
    member = found.member(home.arn)
    if member is None:
        return Verdict(State.NEEDED, f"{home.cluster} does not belong to {found.identifier}: Aurora has detached it")
    if found.change or not member.synchronized:
        return Verdict(State.NEEDED, f"{home.cluster} is {found.change or member.synchronization}")
    cluster = global_database.read_cluster(scene.home, home.cluster)
    if cluster is None or cluster.status != AVAILABLE or not cluster.instances:
        state = f"is {cluster.status}, with {len(cluster.instances)} instances" if cluster else "does not exist"
        return Verdict(State.NEEDED, f"{home.cluster} {state}")
    return Verdict(State.DONE, f"{home.cluster} is synchronized with {found.writer}")
