"""Steps that start and stop the MLflow server of a region: the model registry has one writer.

The server is stopped in one region before its database and its artifacts change hands, and is started in the other
one after. A lost region cannot be reached: its server is stopped by `dr failback` or by its next `pulumi up`, and its
database is not the writer any more. With `dr:registry` none, no step does anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from dr.clients import Missing
from dr.data import global_database
from dr.errors import Failed, Problem
from dr.operations.database_steps import cluster_name
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.registry import DATABASE_HOST, DEPLOYMENT, REPLICAS
from dr.topology.topology import Role

NONE = Verdict(State.DONE, "dr:registry is none")
NO_CLUSTER = Verdict(State.DONE, "the region has no cluster")


def start(role: Role, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that starts the server of a region, with the endpoint of the database that writes there.

    Args:
        role: Role of the region.
        after: Names of the steps that must be done before.
    """

    def evaluate(scene: Scene) -> Verdict:
        if verdict := _nothing(scene, role):
            return verdict
        found, host = _found(scene, role), _endpoint(scene, role)
        if found is None:
            return Verdict(State.NEEDED, f"{_region(scene, role)} has no Deployment {DEPLOYMENT.rpartition('/')[2]}")
        if not host:
            return Verdict(State.NEEDED, "the database does not exist yet")
        if requested(found) < REPLICAS or _host(found) != host:
            return Verdict(State.NEEDED, f"start {REPLICAS} replicas with {host}")
        answering = ready(found)
        return Verdict(State.DONE if answering else State.NEEDED, f"{answering} of {REPLICAS} replicas ready")

    def act(scene: Scene, report: Report) -> None:
        found, host = _found(scene, role), _endpoint(scene, role)
        if found is None:
            fact = f"{_region(scene, role)} has no Deployment of it, and dr:registry is mlflow"
            raise Failed(Problem("MLflow", fact, f"`pulumi up -s {scene.halves[role].stack}`, then this command again"))
        if not host:
            fact = f"{_region(scene, role)} has no database cluster for it"
            raise Failed(Problem("MLflow", fact, "continue without it: `--skip start-registry`"))
        if requested(found) < REPLICAS or _host(found) != host:
            report(host, None)
            template = {"metadata": {"annotations": {DATABASE_HOST: host}}}
            change = {"spec": {"replicas": max(REPLICAS, requested(found)), "template": template}}
            scene.cluster_of(role).change(DEPLOYMENT, change)

    return Step(
        name="start-registry",
        title=f"Start MLflow in the {role} region",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(minutes=15),
        expected=timedelta(minutes=2),
        source="image pull, and the start of MLflow: an estimate",
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.DATA,
        slow="`kubectl describe pods -n mlflow -l app=mlflow` names what blocks each replica",
        without="MLflow does not answer; inference does not need it",
    )


def stop(role: Role, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that stops the server of a region, so that nothing is written there any more.

    Args:
        role: Role of the region.
        after: Names of the steps that must be done before.
    """

    def evaluate(scene: Scene) -> Verdict:
        if verdict := _nothing(scene, role):
            return verdict
        found = _found(scene, role)
        if found is None:
            return Verdict(State.DONE, "the cluster has no MLflow server")
        running = max(requested(found), int(found.get("status", {}).get("replicas", 0)))
        return Verdict(State.NEEDED if running else State.DONE, f"{running} replicas")

    def act(scene: Scene, report: Report) -> None:
        scene.cluster_of(role).change(DEPLOYMENT, {"spec": {"replicas": 0}})

    return Step(
        name="stop-registry",
        title=f"Stop MLflow in the {role} region",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(minutes=5),
        expected=timedelta(seconds=10),
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.DATA,
        slow="uploads of artifacts end first, for up to 60 s",
        without="MLflow goes on to write there: rows are refused by a database that only reads, artifacts may be lost",
    )


def _nothing(scene: Scene, role: Role) -> Verdict | None:
    """Return why a step has nothing to do; None if it has."""
    if scene.topology.registry is None:
        return NONE
    return NO_CLUSTER if scene.halves[role].cluster is None else None


def _found(scene: Scene, role: Role) -> Mapping[str, Any] | None:
    """Return the Deployment; None if the cluster has none. Raises as `ClusterApi.get`."""
    with suppress(Missing):
        return scene.cluster_of(role).get(DEPLOYMENT)
    return None


def requested(found: Mapping[str, Any]) -> int:
    """Return the replicas that a Deployment requests. Pure."""
    return int(found["spec"].get("replicas", 0))


def _host(found: Mapping[str, Any]) -> str:
    """Return the database's endpoint that pods get; "" before an operation has set it in a region without a replica."""
    return str((found["spec"]["template"]["metadata"].get("annotations") or {}).get(DATABASE_HOST, ""))


def ready(found: Mapping[str, Any]) -> int:
    """Return the ready replicas of the present generation of a Deployment. Pure."""
    status = found.get("status", {})
    if int(status.get("observedGeneration", 0)) < int(found["metadata"].get("generation", 0)):
        return 0
    return min(int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0)))


def _region(scene: Scene, role: Role) -> str:
    return scene.topology.site(role).region


def _endpoint(scene: Scene, role: Role) -> str:
    """Return the writer endpoint of a region's cluster, restored or not; "" without one. Raises as `read_cluster`."""
    home = scene.primary.database
    if home is None:
        return ""
    name = home.cluster if role is Role.PRIMARY else cluster_name(scene)
    cluster = global_database.read_cluster(_region(scene, role), name)
    return cluster.endpoint if cluster else ""
