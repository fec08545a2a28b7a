"""The run of a drill of isolation, against a cluster in memory: one compliant start, and each test breaks one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.kubernetes import inference_spec
from dr.clients import Missing
from dr.clusters.api_client import ClusterApi
from dr.control import local_state
from dr.control.contract import ClusterRecord
from dr.control.incident_state import Incident, IncidentState
from dr.data.model_sets import Probe
from dr.drills import isolation
from dr.drills.isolation import OBJECTS, POLICIES, SPACE, Isolation
from dr.drills.isolation_result import Seen
from dr.errors import Failed, Problem, Refused
from dr.operations.capacity_steps import DEPLOYMENT
from dr.operations.scene import Scene
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import half
from tests.support.isolation import ended, pod
from tests.support.kubernetes import spec
from tests.support.scenes import scene

MAPS = "/api/v1/namespaces/ml-serving/configmaps/"
PODS, CONFIG_MAPS = OBJECTS[0], OBJECTS[1]
NOW = datetime(2026, 11, 29, 12, 10, tzinfo=UTC)


class Cluster:
    """A cluster that keeps what is created, and lets the pod end as given."""

    def __init__(self, ends: Mapping[str, Any] | None = None) -> None:
        self.now = NOW
        self.made: dict[str, list[dict[str, Any]]] = {path: [] for path in OBJECTS}
        self.order: list[str] = []
        self.ends = ends or pod()
        self.denied: set[str] = set()
        self.missing: set[str] = set()
        self.fails: set[str] = set()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if path in self.missing:
            raise Missing(Problem("the cluster", f"GET {path}: 404", "check the name"))
        if path in self.made:
            return {"items": self.made[path]}
        if path.startswith(f"{PODS}/"):
            return dict(self.ends)
        if path.startswith(MAPS):
            return {"metadata": {"name": path.rpartition("/")[2]}, "data": {"a": "b"}}
        return inference_spec.deployment(spec(Tier.PILOT)) if path == DEPLOYMENT else {"metadata": {"name": path}}

    def create(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        if path in self.fails:
            raise Failed(Problem("the cluster", f"POST {path}: 403", "allow it"))
        self.made[path].append(content)
        self.order.append(path)
        return content

    def delete(self, path: str, **query: str) -> None:
        assert query == {"labelSelector": "ml-dr/drill=region-isolation"}
        self.made[path].clear()

    def allows(self, verb: str, group: str, resource: str, namespace: str, subresource: str = "") -> bool:
        return f"{verb} {resource}" not in self.denied


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(local_state, "folder", lambda: tmp_path)
    monkeypatch.setattr(isolation, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(isolation, "s3_blocks", lambda region: ["192.0.2.0/24"])
    monkeypatch.setattr(Scene, "state", lambda self: IncidentState())
    known(monkeypatch, Probe({"inputs": []}, ([1],)))
    return made


def known(monkeypatch: pytest.MonkeyPatch, probe: Probe | None, whole: bool = True) -> None:
    manifest = SimpleNamespace(set_id="digits-1", probe=probe) if whole else None
    monkeypatch.setattr(isolation, "newest_whole", lambda scene: (manifest, []))


def drill(cluster: Cluster, said: list[str] | None = None) -> Isolation:
    record = ClusterRecord("ml-dr", "https://ml-dr.example", "UEVN")
    here = scene(halves={Role.PRIMARY: half(), Role.RECOVERY: replace(half(Role.RECOVERY), cluster=record)})
    here.__dict__["cluster"] = cluster
    return Isolation(here, (said if said is not None else []).append, modelled=False, patience=timedelta(0))


def run(cluster: Cluster) -> Seen:
    return drill(cluster).execute()


def test_pod_is_created_after_its_policy_and_everything_is_deleted(cluster: Cluster) -> None:
    found = run(cluster)

    assert cluster.order == [POLICIES, *[CONFIG_MAPS] * 3, PODS]
    assert (found.problems, found.removed, cluster.made) == ([], True, {path: [] for path in OBJECTS})
    assert found.ran("ask").exit_code == 0
    assert found.before == found.after == IncidentState()


def test_pod_that_fails_ends_the_drill_with_its_status(cluster: Cluster) -> None:
    cluster.ends = pod(ended("isolated", 1, 9, 1, "reached iam.amazonaws.com"), phase="Failed")
    found = run(cluster)

    assert (found.ran("isolated").failed, found.removed) == (True, True)


def test_image_that_cannot_be_pulled_ends_the_drill_before_its_time_limit(cluster: Cluster) -> None:
    waits = {"reason": "ErrImagePull", "message": "not found"}
    cluster.ends = pod({"name": "server", "state": {"waiting": waits}}, {"name": "ask", "state": {}})
    patient = drill(cluster)
    patient.patience = timedelta(hours=1)
    found = patient.execute()

    assert (found.waits_for, found.problems, found.removed) == ("ErrImagePull: not found", [], True)


def test_pod_that_does_not_answer_in_time_is_reported_and_deleted(cluster: Cluster) -> None:
    cluster.ends = pod({"name": "ask", "state": {"running": {}}})
    found = run(cluster)

    assert ("did not answer within 0 min" in found.problems[0], found.removed) == (True, True)


def test_refused_creation_leaves_nothing(cluster: Cluster) -> None:
    cluster.fails = {PODS}
    found = run(cluster)

    assert ("403" in found.problems[0], found.pod, found.removed) == (True, None, True)
    assert cluster.made == {path: [] for path in OBJECTS}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("incident", "incident 20261129T110000Z-a1b2c3 is open"),
        ("namespace", "us-west-2 does not have it"),
        ("left", "it has pods already: left"),
        ("denied", "denied: create pods in dr-drill"),
        ("probe", "digits-1 has no request with a known answer"),
        ("set", "no version is whole in us-west-2"),
    ],
)
def test_unfit_starting_point_is_refused_and_nothing_is_created(
    broken: str, says: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    match broken:
        case "incident":
            incident = Incident("20261129T110000Z-a1b2c3", "2026-11-29T11:00:00+00:00", "us-east-1 is lost")
            monkeypatch.setattr(Scene, "state", lambda self: IncidentState(incident=incident))
        case "namespace":
            cluster.missing = {SPACE}
        case "left":
            cluster.made[PODS].append({"metadata": {"name": "left"}})
        case "denied":
            cluster.denied = {"create pods"}
        case "probe":
            known(monkeypatch, None)
        case "set":
            known(monkeypatch, None, whole=False)
    with pytest.raises(Refused, match=says):
        run(cluster)

    assert cluster.order == []


def test_tier_without_a_cluster_is_refused(cluster: Cluster) -> None:
    without = drill(cluster)
    del without.scene.__dict__["cluster"]
    without.scene.halves = {Role.PRIMARY: half(), Role.RECOVERY: replace(half(Role.RECOVERY), cluster=None)}
    with pytest.raises(Refused, match="has no cluster"):
        without.execute()


def test_progress_is_said_once_for_each_thing_that_is_waited_for(cluster: Cluster) -> None:
    said: list[str] = []
    cluster.ends = pod({"name": "ask", "state": {"running": {}}})
    waiting = drill(cluster, said)
    waiting.patience = timedelta(seconds=0.2)
    waiting.execute()

    assert len(said) == len(set(said))
    assert "is created in dr-drill; it may call S3 of us-west-2 only" in said[0]


def test_cleaning_up_returns_the_names_of_what_was_left(cluster: Cluster) -> None:
    for path, name in zip(OBJECTS, ("pod", "map", "policy"), strict=True):
        cluster.made[path].append({"metadata": {"name": name}})
    api: ClusterApi = cluster  # type: ignore[assignment]

    assert isolation.remove(api) == ["pod", "map", "policy"]
    assert isolation.remove(api) == []


def test_clusters_of_before_the_namespace_have_nothing_to_clean_up(cluster: Cluster) -> None:
    cluster.missing = set(OBJECTS)

    assert isolation.remove(cluster) == []  # type: ignore[arg-type]
