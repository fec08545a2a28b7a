"""Steps that give the recovery region a database with an instance.

Only the recovery region is called. A headless secondary has no instance to promote, so one is made first. A tier
without a replica restores the newest snapshot of the region. With `dr:database` none, no step does anything.
"""

from __future__ import annotations

from datetime import timedelta

from dr.clients import calls, client
from dr.control.contract import DatabaseRecord
from dr.data import database_login, global_database
from dr.data.global_database import AVAILABLE, Cluster
from dr.errors import Failed, Problem
from dr.names import INCIDENT_TAG, incident_instance_name, restored_cluster_name
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.databases import ENGINE

NONE = Verdict(State.DONE, "dr:database is none")
SLOW = "`aws rds describe-events` of the recovery region, and the global database in the RDS console"


def placed(scene: Scene) -> DatabaseRecord:
    """Return where the recovery region's database is.

    Raises:
        Failed: The recovery stack has no subnets for one.
    """
    if found := scene.recovery.database:
        return found
    fact = f"{scene.region} has no subnets for a database"
    raise Failed(Problem("the database", fact, "`pulumi up -s dr`, then this command again"))


def cluster_name(scene: Scene) -> str:
    """Return the identifier of the recovery region's cluster: the replica, or the one that is restored."""
    found = scene.recovery.database
    return (found.cluster if found else "") or restored_cluster_name(scene.topology.bucket_prefix)


def is_restored(scene: Scene) -> bool:
    """Return whether the recovery region's cluster is one that is restored from a snapshot. Pure."""
    return not (scene.recovery.database and scene.recovery.database.cluster)


def restored_cluster(scene: Scene) -> Cluster | None:
    """Return the cluster that an operation restored; None without one. Raises as `global_database.read_cluster`.

    It is looked up by its reserved name: a later deployment may have made a replica, which does not hide it.
    """
    return global_database.read_cluster(scene.region, restored_cluster_name(scene.topology.bucket_prefix))


REMOVE_LEFT = "delete it with a final snapshot"


def left_over(scene: Scene) -> str:
    """Return that a restored cluster is not of the open incident, so its rows are old; "" if it is, or without one."""
    found = restored_cluster(scene)
    if found is None or found.incident == tags(scene)[0]["Value"]:
        return ""
    return f"{found.identifier} was restored by incident {found.incident or 'unknown'}, and not by this one"


def tags(scene: Scene) -> list[dict[str, str]]:
    """Return the tags of what an operation creates."""
    incident = scene.state().incident
    return [{"Key": INCIDENT_TAG, "Value": incident.id if incident else scene.options.run}]


def restore(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that restores a cluster from the newest snapshot, in a tier without a replica."""

    def evaluate(scene: Scene) -> Verdict:
        home, name = scene.primary.database, cluster_name(scene)
        if home is None:
            return NONE
        if not is_restored(scene):
            return Verdict(State.DONE, f"{name} is a replica; nothing is restored")
        if found := global_database.read_cluster(scene.region, name):
            if older := left_over(scene):
                return Verdict(State.NEEDED, older)
            return Verdict(State.DONE if found.status == AVAILABLE else State.NEEDED, f"{name} is {found.status}")
        snapshot = global_database.newest_snapshot(scene.region, home.cluster)
        if snapshot is None:
            return Verdict(State.NEEDED, f"{scene.region} has no snapshot of {home.cluster}")
        lost = f"rows of {home.cluster} after {snapshot.created:%Y-%m-%d %H:%M:%S} UTC"
        return Verdict(State.NEEDED, f"restore {name} from {snapshot.identifier}", (lost,))

    def act(scene: Scene, report: Report) -> None:
        home, name, place = scene.primary.database, cluster_name(scene), placed(scene)
        if home is None:
            return
        if older := left_over(scene):
            remedy = f"{REMOVE_LEFT}; or `--skip restore-database` goes on with its rows"
            raise Failed(Problem("the database", older, remedy))
        if global_database.read_cluster(scene.region, name):
            return
        snapshot = global_database.newest_snapshot(scene.region, home.cluster)
        if snapshot is None:
            remedy = "without one, the rows are lost: `--skip restore-database` continues without a database"
            raise Failed(Problem(f"snapshots of {home.cluster}", f"{scene.region} has none", remedy))
        report(snapshot.identifier, None)
        optional = {"VpcSecurityGroupIds": list(place.security_groups), "KmsKeyId": place.key}
        with calls(f"database cluster {name}", scene.region):
            client("rds", scene.region).restore_db_cluster_from_snapshot(
                DBClusterIdentifier=name,
                SnapshotIdentifier=snapshot.identifier,
                Engine=ENGINE,
                EngineVersion=home.engine_version,
                DBSubnetGroupName=place.subnet_group,
                DeletionProtection=True,
                CopyTagsToSnapshot=True,
                Tags=tags(scene),
                **{name: value for name, value in optional.items() if value},
            )

    return Step(
        name="restore-database",
        title="Restore the database from its newest snapshot",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(hours=2),
        expected=timedelta(minutes=20),
        source="an estimate: it depends on the volume of the data",
        poll=timedelta(seconds=5),
        after=after,
        phase=Phase.DATA,
        slow=SLOW,
        without="the recovery region has no database",
    )


def start_instance(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that makes an instance in a cluster without one."""

    def evaluate(scene: Scene) -> Verdict:
        if scene.primary.database is None:
            return NONE
        name = cluster_name(scene)
        found = global_database.read_cluster(scene.region, name)
        if found is None:
            return Verdict(State.NEEDED, f"{name} does not exist yet")
        statuses = {each: global_database.instance_status(scene.region, each) for each in found.instances}
        if not statuses:
            return Verdict(State.NEEDED, f"{name} has no instance: create {incident_instance_name(name)}")
        text = ", ".join(f"{each} is {status or 'missing'}" for each, status in sorted(statuses.items()))
        return Verdict(State.DONE if AVAILABLE in statuses.values() else State.NEEDED, text)

    def act(scene: Scene, report: Report) -> None:
        name, home = cluster_name(scene), scene.primary.database
        found, instance = global_database.read_cluster(scene.region, name), incident_instance_name(name)
        if home is None or (found and found.instances) or global_database.instance_status(scene.region, instance):
            return
        if is_restored(scene):
            # Before the instance, which is what a repeated step finds.
            database_login.renew_restored(scene.region, name, home.secret, report)
        size = placed(scene).instance_class or home.instance_class
        report(f"{instance}, {size}", None)
        global_database.create_instance(scene.region, name, instance, size, tags(scene))

    return Step(
        name="start-database-instance",
        title="Start a database instance in the recovery region",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(minutes=30),
        expected=timedelta(minutes=10),
        source="an estimate: minutes for an instance of Aurora",
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        slow=f"{SLOW}: capacity and quota of the instance class",
        without="a cluster without an instance cannot be promoted, and answers no client",
    )
