"""Rows of a cluster that a failover restored from a snapshot: nothing replicates them to the primary region.

The failback returns to the primary region's own cluster, which still has its rows from before the loss. So rows that
were written since are named before, the operator accepts it, and a final snapshot with them is kept in both regions:
`restore-db-cluster-from-snapshot` brings it up beside the other cluster.
"""

from __future__ import annotations

from datetime import UTC, timedelta

from dr.clients import calls, client
from dr.data import global_database
from dr.data.global_database import AVAILABLE
from dr.findings import Finding, Status
from dr.names import restored_cluster_name
from dr.operations.database_steps import NONE, SLOW, restored_cluster, tags
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict

NAME = "restored-rows"
COPY = "copy what has to be kept, for example with pg_dump; a final snapshot of the cluster is kept in both regions"


def stranded(scene: Scene) -> str:
    """Return which rows are in a restored cluster alone; "" without one. Raises as `global_database.read_cluster`."""
    found = restored_cluster(scene) if scene.primary.database else None
    if found is None or found.status == "deleting":
        return ""
    since = f" after {found.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if found.created else ""
    return f"rows that were written to {found.identifier}{since} are in {scene.region} alone: nothing replicates them"


def accepted(scene: Scene) -> bool:
    """Return whether the operator accepts that these rows do not come along. Pure."""
    return NAME in scene.options.accept


def look(scene: Scene) -> Finding:
    """Check that no rows would be left behind in a restored cluster."""
    if scene.primary.database is None:
        return Finding(NAME, Status.MET, NONE.detail)
    if rows := stranded(scene):
        return Finding(NAME, Status.MISSED, rows, COPY)
    return Finding(NAME, Status.MET, "no cluster was restored")


def final_snapshot(scene: Scene) -> str:
    """Return the identifier of the snapshot of the restored cluster that is kept, in both regions."""
    incident = scene.state().incident
    name = restored_cluster_name(scene.topology.bucket_prefix)
    return f"{name}-{incident.id if incident else scene.options.run}".lower()


def keep(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that copies the final snapshot of the restored cluster to the primary region."""

    def evaluate(scene: Scene) -> Verdict:
        if scene.primary.database is None:
            return NONE
        name = final_snapshot(scene)
        taken = global_database.read_snapshot(scene.region, name)
        if not taken and restored_cluster(scene) is None:
            return Verdict(State.DONE, "no cluster was restored")
        copied = global_database.read_snapshot(scene.home, name)
        if copied == AVAILABLE:
            return Verdict(State.DONE, f"{scene.home} has {name}")
        return Verdict(State.NEEDED, f"{name} is {copied or 'not'} in {scene.home}, {taken or 'not'} in {scene.region}")

    def act(scene: Scene, report: Report) -> None:
        home, name = scene.primary.database, final_snapshot(scene)
        if home is None or not global_database.read_snapshot(scene.region, name):
            return
        if global_database.read_snapshot(scene.home, name):
            return
        account = scene.recovery.account
        with calls(f"snapshot {name}", scene.home):
            client("rds", scene.home).copy_db_cluster_snapshot(
                SourceDBClusterSnapshotIdentifier=f"arn:aws:rds:{scene.region}:{account}:cluster-snapshot:{name}",
                TargetDBClusterSnapshotIdentifier=name,
                SourceRegion=scene.region,
                Tags=tags(scene),
                **({"KmsKeyId": home.key} if home.key else {}),
            )

    return Step(
        name="keep-database-rows",
        title="Copy the restored database's final snapshot to the primary region",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(hours=2),
        expected=timedelta(minutes=20),
        source="an estimate: it depends on the volume of the data",
        poll=timedelta(seconds=5),
        after=after,
        phase=Phase.CAPACITY,
        slow=SLOW,
        without="rows that were written during the incident are in the recovery region's snapshot alone",
    )
