"""Steps of the MLflow server against a cluster in memory: the registry has one writer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dr.clients import Missing
from dr.data import global_database
from dr.data.global_database import Cluster
from dr.errors import Failed, Problem
from dr.operations import registry_steps
from dr.operations.scene import Scene
from dr.operations.steps import State
from dr.topology.registry import DEPLOYMENT
from dr.topology.topology import Role
from tests.support.builders import DATABASE, half, topology
from tests.support.registry import deployed
from tests.support.scenes import scene

IMAGE = f"docker.io/registry:1@sha256:{'0a' * 32}"
CLUSTER = {"name": "ml-dr", "endpoint": "https://cluster", "ca_data": ""}
HOSTS = {"ml-dr-primary": "primary.example", "ml-dr-recovery": "recovery.example", "ml-dr-restored": "restored.example"}
REPLICA = {**DATABASE, "cluster": "ml-dr-recovery", "arn": "arn:aws:rds:us-west-2:123456789012:cluster:ml-dr-recovery"}


def stopping() -> dict[str, Any]:
    """Return a Deployment with a replica that terminates."""
    found = deployed(0)
    return {**found, "status": {**found["status"], "replicas": 1}}


@dataclass
class Api:
    """A cluster with at most one Deployment."""

    found: dict[str, Any] | None
    patched: list[Any] = field(default_factory=list)

    def get(self, path: str) -> dict[str, Any]:
        assert path == DEPLOYMENT
        if self.found is None:
            raise Missing(Problem("cluster", "404", "check the name"))
        return self.found

    def change(self, path: str, change: Any) -> None:
        assert path == DEPLOYMENT
        self.patched.append(change)


@pytest.fixture(autouse=True)
def clusters(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Database clusters by name, each with its endpoint."""
    found = dict(HOSTS)

    def read(region: str, name: str) -> Cluster | None:
        assert region == ("us-east-1" if name == "ml-dr-primary" else "us-west-2")
        return Cluster(name, "available", "17.7", {}, found[name]) if name in found else None

    monkeypatch.setattr(global_database, "read_cluster", read)
    return found


def world(api: Api, monkeypatch: pytest.MonkeyPatch, replica: str = "ml-dr-recovery", **changes: str) -> Scene:
    halves = {
        Role.PRIMARY: half(cluster=CLUSTER, database=DATABASE),
        Role.RECOVERY: half(Role.RECOVERY, cluster=CLUSTER, database={**REPLICA, "cluster": replica}),
    }
    monkeypatch.setattr(Scene, "cluster_of", lambda self, role: api)
    settings = {"registry": "mlflow", "registryImage": IMAGE, **changes}
    return scene(halves=halves, topology=topology(Role.RECOVERY, **settings))


def act(step: Any, here: Scene) -> None:
    step.act(here, lambda text, share: None)


START, STOP = registry_steps.start(Role.RECOVERY, ()), registry_steps.stop(Role.RECOVERY, ())
BOTH = pytest.mark.parametrize("step", [START, STOP], ids=lambda each: each.name)


@BOTH
def test_nothing_is_called_without_a_registry(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scene, "cluster_of", lambda self, role: pytest.fail("called"))

    verdict = step.evaluate(scene())
    assert (verdict.state, verdict.detail) == (State.DONE, "dr:registry is none")


@BOTH
def test_region_without_a_cluster_has_nothing_to_start_or_stop(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world(Api(None), monkeypatch)
    here = replace(here, halves={**here.halves, Role.RECOVERY: half(Role.RECOVERY)})

    assert step.evaluate(here).detail == "the region has no cluster"


def test_stopped_server_is_started_with_the_database_of_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(deployed(0))
    here = world(api, monkeypatch)

    assert START.evaluate(here).detail == "start 2 replicas with recovery.example"
    act(START, here)
    template = {"metadata": {"annotations": {"ml-dr/database-host": "recovery.example"}}}
    assert api.patched == [{"spec": {"replicas": 2, "template": template}}]


def test_server_of_the_primary_region_gets_the_database_of_the_primary_region(monkeypatch: pytest.MonkeyPatch) -> None:
    api, step = Api(deployed(0, host="")), registry_steps.start(Role.PRIMARY, ())
    act(step, world(api, monkeypatch))

    assert api.patched[0]["spec"]["template"]["metadata"]["annotations"] == {"ml-dr/database-host": "primary.example"}


def test_server_gets_a_restored_database_where_the_tier_has_no_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(deployed(2))
    here = world(api, monkeypatch, replica="")

    assert START.evaluate(here).state is State.NEEDED
    act(START, here)
    assert api.patched[0]["spec"]["template"]["metadata"]["annotations"] == {"ml-dr/database-host": "restored.example"}


@pytest.mark.parametrize(
    ("found", "state", "detail"),
    [
        (deployed(2), State.DONE, "2 of 2 replicas ready"),
        (deployed(2, 1), State.DONE, "1 of 2 replicas ready"),
        (deployed(2, 0), State.NEEDED, "0 of 2 replicas ready"),
        (deployed(2, updatedReplicas=0), State.NEEDED, "0 of 2 replicas ready"),
        (deployed(2, observedGeneration=2), State.NEEDED, "0 of 2 replicas ready"),
        (deployed(1), State.NEEDED, "start 2 replicas with recovery.example"),
        (deployed(2, host="old.example"), State.NEEDED, "start 2 replicas with recovery.example"),
        (None, State.NEEDED, "us-west-2 has no Deployment mlflow"),
    ],
)
def test_start_is_done_once_a_replica_of_the_present_generation_is_ready(
    found: dict[str, Any] | None, state: State, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = START.evaluate(world(Api(found), monkeypatch))

    assert (verdict.state, verdict.detail) == (state, detail)


def test_start_repeated_after_an_interruption_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(deployed(3))
    act(START, world(api, monkeypatch))

    assert api.patched == []


def test_start_without_a_deployment_names_the_command_that_creates_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failed, match=r"us-west-2 has no Deployment of it[\s\S]*pulumi up -s recovery"):
        act(START, world(Api(None), monkeypatch))


def test_start_without_a_database_says_how_to_continue(
    clusters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters.clear()
    here = world(Api(deployed(0)), monkeypatch)

    assert START.evaluate(here).detail == "the database does not exist yet"
    with pytest.raises(Failed, match="--skip start-registry"):
        act(START, here)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (deployed(2), State.NEEDED),
        (stopping(), State.NEEDED),
        (deployed(0), State.DONE),
        (None, State.DONE),
    ],
)
def test_stop_is_done_once_no_replica_is_left(
    found: dict[str, Any] | None, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STOP.evaluate(world(Api(found), monkeypatch)).state is state


def test_stop_sets_the_replicas_to_none(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(deployed(2))
    act(STOP, world(api, monkeypatch))

    assert api.patched == [{"spec": {"replicas": 0}}]
