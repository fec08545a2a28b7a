"""Steps of a failback that return the database to the primary region, and remove what the incident created."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dr.clients import calls, client
from dr.control.contract import DatabaseRecord
from dr.data import global_database
from dr.data.global_database import AVAILABLE, GlobalDatabase
from dr.errors import Failed, Problem
from dr.names import incident_instance_name
from dr.operations.database_steps import NONE, SLOW, cluster_name, is_restored
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
        if _restored(scene):
            return Verdict(State.DONE, f"{cluster_name(scene)} was restored, and is replicated nowhere")
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
    """Return the step that switches the database over to the primary region. No row is lost."""

    def evaluate(scene: Scene) -> Verdict:
        home = scene.primary.database
        if home is None:
            return NONE
        if name := _restored(scene):
            return Verdict(State.NEEDED, f"rows of {name} are not in {scene.home}")
        found = global_database.read_global(scene.region, home.global_cluster)
        if not found.writes(home.arn):
            return Verdict(State.NEEDED, f"the writer is {found.writer}")
        cluster = global_database.read_cluster(scene.home, home.cluster)
        if cluster is None or cluster.status != AVAILABLE or not any(cluster.instances.values()):
            return Verdict(State.NEEDED, f"{home.cluster} is the primary cluster, and is not available yet")
        return Verdict(State.DONE, f"{home.cluster} is the writer of {found.identifier}")

    def act(scene: Scene, report: Report) -> None:
        home = scene.primary.database
        if name := _restored(scene):
            fact = f"{name} was restored in {scene.region}, and no replication returns its rows to {scene.home}"
            remedy = (
                "copy what has to be kept, for example with pg_dump; then `--skip return-database`: the cluster is "
                "removed, and a final snapshot of it is kept"
            )
            raise Failed(Problem("the database", fact, remedy))
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
    """Return the step that removes the instance and the cluster that the incident created."""

    def evaluate(scene: Scene) -> Verdict:
        if scene.primary.database is None:
            return NONE
        cluster = cluster_name(scene)
        instance = incident_instance_name(cluster)
        if status := global_database.instance_status(scene.region, instance):
            return Verdict(State.NEEDED, f"{instance} is {status}")
        if name := _restored(scene):
            return Verdict(State.NEEDED, f"remove {name}, and keep a snapshot")
        return Verdict(State.DONE, f"{scene.region} has no instance of the incident")

    def act(scene: Scene, report: Report) -> None:
        home, cluster = scene.primary.database, cluster_name(scene)
        instance, rds = incident_instance_name(cluster), client("rds", scene.region)
        if home and not is_restored(scene):
            found = global_database.read_global(scene.region, home.global_cluster)
            if not found.writes(home.arn):
                fact = f"{found.writer} is the writer, and {instance} may be its only instance"
                remedy = "return the database first, or keep the instance: `--skip remove-database-instance`"
                raise Failed(Problem(instance, fact, remedy))
        if global_database.instance_status(scene.region, instance) not in {"", "deleting"}:
            with calls(f"database instance {instance}", scene.region):
                rds.delete_db_instance(DBInstanceIdentifier=instance, SkipFinalSnapshot=True)
        if name := _restored(scene):
            _remove_cluster(scene, name, rds)

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


def _restored(scene: Scene) -> str:
    """Return the identifier of the cluster that was restored; "" if none was. Raises as `read_cluster`."""
    if not is_restored(scene):
        return ""
    name = cluster_name(scene)
    return name if global_database.read_cluster(scene.region, name) else ""


def _remove_cluster(scene: Scene, name: str, rds: Any) -> None:
    """Delete the restored cluster. RDS does so once its instances are deleted, and takes the final snapshot first."""
    found = global_database.read_cluster(scene.region, name)
    if found is None or found.status == "deleting":
        return
    incident = scene.state().incident
    final = f"{name}-{incident.id if incident else scene.options.run}".lower()
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
