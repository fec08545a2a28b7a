"""The verdict on a rollout from the objects of a real API server, its controllers and its scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes.client import AppsV1Api, CoreV1Api

from dr.clusters.rollouts import Limits, Look, Phase, Rollout, judge
from sandbox.control_plane.control_plane import ControlPlane
from tests.support.waiting import wait_for

LABELS = {"app": "rollout"}
AT_ONCE = Limits(grace=timedelta(0), placement=timedelta(0), confirm=timedelta(0))
REPLICAS = 3


@dataclass
class Deployed:
    """A Deployment in its own namespace."""

    plane: ControlPlane
    namespace: str

    def __post_init__(self) -> None:
        api = self.plane.api()
        self.api, self.core, self.apps = api, CoreV1Api(api), AppsV1Api(api)

    def create(self, image: str = "docker.io/server:1", **pod: Any) -> None:
        template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container(image)], **pod}}
        spec = {
            "replicas": REPLICAS,
            "selector": {"matchLabels": LABELS},
            "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": template,
        }
        self.apps.create_namespaced_deployment(self.namespace, {"metadata": {"name": "rollout"}, "spec": spec})

    def patch(self, **spec: Any) -> None:
        self.apps.patch_namespaced_deployment("rollout", self.namespace, {"spec": spec})

    def image(self, image: str) -> None:
        self.patch(template={"spec": {"containers": [container(image)]}})

    def verdict(self, allowed: Limits = AT_ONCE) -> Rollout:
        def plain(thing: Any) -> Any:
            return self.api.sanitize_for_serialization(thing)

        deployment = plain(self.apps.read_namespaced_deployment("rollout", self.namespace))
        sets = plain(self.apps.list_namespaced_replica_set(self.namespace))["items"]
        pods = plain(self.core.list_namespaced_pod(self.namespace))["items"]
        return judge(Look(datetime.now(UTC), deployment, sets, pods), REPLICAS, allowed)

    def until(self, phase: Phase, kind: str = "", updated: int | None = None) -> Rollout:
        """Wait for a phase; `updated` also waits for the Deployment's count, which is updated after its pods."""

        def found() -> Rollout | None:
            verdict = self.verdict()
            kinds = [reason.kind for reason in verdict.reasons]
            counted = updated is None or verdict.counts.updated == updated
            return verdict if verdict.phase is phase and (not kind or kind in kinds) and counted else None

        return wait_for(found)


def container(image: str) -> dict[str, Any]:
    return {"name": "server", "image": image, "resources": {"requests": {"cpu": "10m"}}}


@pytest.fixture(scope="module", autouse=True)
def _node(control_plane: ControlPlane) -> Iterator[None]:
    core = CoreV1Api(control_plane.api())
    held = {"cpu": "8", "memory": "32Gi", "pods": "58"}
    name, kwok = "rollouts.node", {"kwok.x-k8s.io/node": "fake"}
    meta = {"name": name, "annotations": kwok, "labels": {**kwok, "rollouts": "yes"}}
    core.create_node({"metadata": meta, "status": {"capacity": held, "allocatable": held}})
    yield
    core.delete_node(name)


@pytest.fixture
def deployed(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Deployed:
    core, name = CoreV1Api(control_plane.api()), f"rollout-{abs(hash(request.node.name)) % 10**8}"
    core.create_namespace({"metadata": {"name": name}})
    return Deployed(control_plane, name)


HERE: dict[str, Any] = {"nodeSelector": {"rollouts": "yes"}}


def test_rollout_completes_then_is_stuck_with_a_broken_image_and_completes_with_a_good_one(
    deployed: Deployed,
) -> None:
    deployed.create(**HERE)
    assert deployed.until(Phase.COMPLETE).counts.ready == REPLICAS

    deployed.image("docker.io/server:broken-2")
    found = deployed.until(Phase.STUCK, "image", updated=1)
    assert (found.counts.updated, found.counts.ready, found.counts.previous) == (1, 0, REPLICAS - 1)
    assert "image docker.io/server:broken-2 could not be pulled" in found.reasons[0].fact
    assert deployed.verdict(Limits()).phase is Phase.PROGRESSING

    deployed.image("docker.io/server:3")
    assert deployed.until(Phase.COMPLETE).counts.updated == REPLICAS


def test_exceeded_progress_deadline_is_reported_with_the_image_that_caused_it(deployed: Deployed) -> None:
    deployed.create("docker.io/server:broken", **HERE)
    deployed.patch(progressDeadlineSeconds=1)
    found = deployed.until(Phase.STUCK, "deadline")

    assert "ProgressDeadlineExceeded: no progress within 1 s" in [reason.fact for reason in found.reasons]
    assert "image" in [reason.kind for reason in found.reasons]


def test_unschedulable_pods_are_reported_with_the_schedulers_message(deployed: Deployed) -> None:
    deployed.create(nodeSelector={"rollouts": "no"})
    found = deployed.until(Phase.STUCK, "placement")

    assert "didn't match Pod's node affinity/selector" in found.reasons[0].fact
    assert len(found.reasons[0].pods) == REPLICAS


def test_pods_refused_by_a_quota_are_reported_with_the_quotas_message(deployed: Deployed) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    deployed.core.create_namespaced_resource_quota(deployed.namespace, quota)
    deployed.create(**HERE)
    found = deployed.until(Phase.STUCK, "quota")

    (reason,) = [each for each in found.reasons if each.kind == "quota"]
    assert "exceeded quota: few" in reason.fact


def test_paused_rollout_is_reported(deployed: Deployed) -> None:
    deployed.create(**HERE)
    deployed.until(Phase.COMPLETE)
    deployed.patch(paused=True)
    deployed.image("docker.io/server:2")

    assert deployed.until(Phase.STUCK, "paused").counts.previous == REPLICAS
