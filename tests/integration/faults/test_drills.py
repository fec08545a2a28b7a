"""Drills of faults inside a region, on the deployed program: the real scheduler and controllers, a real model server,
and a client that sends requests to the region's address all the time.

Each test prints its timeline (`pytest -s`) in real seconds; the sandbox divides modelled times by its speed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from dr.errors import Exit, Failed
from tests.support.drill import NAMESPACE, Cluster, Drill, Sample, drill, even_out, predicted, zones_with_nodes
from tests.support.rollout_command import rollout
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
EAST_NAME, WEST_NAME = "inference-primary.ml.example.com", "inference-dr.ml.example.com"
REPLICAS, BUDGET = 6, 4
GPU_TYPES = ("g5.2xlarge", "g6.2xlarge")


@pytest.fixture
def serving(inside: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The primary region in normal operation, before and after the test: six replicas, two per zone."""
    # The first request waits for the model server to start.
    assert predicted(inside, EAST) == [True]
    with drill(inside, EAST, EAST_NAME) as before:
        before.until(everywhere, "six replicas before")
        even_out(Cluster(inside, EAST), 2)
        before.until(even, "even before")
    yield inside
    inside.repair()


def even(sample: Sample) -> bool:
    """Return whether each zone has two replicas and the autoscaler has no surplus node left to remove."""
    return everywhere(sample) and sorted(sample.ready.values()) == [2, 2, 2] and sample.free_gpus == 0


def everywhere(sample: Sample) -> bool:
    return sample.available == REPLICAS and sample.waiting == 0 and sample.healthy == REPLICAS


def test_loss_of_a_zone_leaves_the_disruption_budget_and_replicas_move_to_other_zones(
    serving: SandboxUnderTest,
) -> None:
    with drill(serving, EAST, EAST_NAME) as seen:
        seen.event("zone us-east-1a is lost")
        serving.fault(kind="zone", zone="us-east-1a")
        seen.until(lambda sample: "us-east-1a" not in sample.ready, "its replicas count no longer")
        seen.until(everywhere, "six replicas in two zones")
        assert sorted(seen.latest.ready.values()) == [3, 3]
        seen.event("the zone is back")
        serving.repair()
        cluster = Cluster(serving, EAST)
        wait_for(lambda: len(zones_with_nodes(cluster)) == 3)
        even_out(cluster, 2)
        seen.until(even, "two a zone")

    assert seen.least_available >= BUDGET
    assert predicted(serving, EAST, 3) == [True] * 3
    # Only requests to the lost zone fail, until two health checks of the load balancer have failed.
    assert len(seen.failed) < seen.sent / 10


def drain(cluster: Cluster, node: str) -> int:
    """Cordon a node and evict its replicas, as `kubectl drain` does; return how often the budget refused."""
    from kubernetes.client import ApiException

    refused, deadline = 0, time.monotonic() + PATIENCE_SECONDS
    cluster.core.patch_node(node, {"spec": {"unschedulable": True}})
    while left := [pod.metadata.name for pod in cluster.pods() if pod.spec.node_name == node]:
        assert time.monotonic() < deadline, f"{left} are still on {node}"
        for pod in left:
            eviction = {"metadata": {"name": pod, "namespace": NAMESPACE}}
            try:
                cluster.core.create_namespaced_pod_eviction(pod, NAMESPACE, eviction)
            except ApiException as error:
                if error.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                refused += 1
                time.sleep(0.2)
    return refused


def test_draining_nodes_one_by_one_keeps_the_disruption_budget(serving: SandboxUnderTest) -> None:
    cluster = Cluster(serving, EAST)
    nodes = [node.metadata.name for node in cluster.nodes()]
    with drill(serving, EAST, EAST_NAME) as seen:
        for node in nodes:
            refused = drain(cluster, node)
            seen.event(f"{node} is empty; the budget said no {refused} times")
        for node in nodes:
            cluster.core.patch_node(node, {"spec": {"unschedulable": None}})
        seen.event("all may be used again")
        seen.until(everywhere, "six replicas again")

    assert seen.least_available >= BUDGET
    assert seen.failed == []


def test_missing_gpu_capacity_raises_an_alarm_while_remaining_replicas_serve(serving: SandboxUnderTest) -> None:
    with drill(serving, EAST, EAST_NAME) as seen:
        seen.event("no capacity of any type, and zone us-east-1b is lost")
        for kind in GPU_TYPES:
            serving.fault(kind="capacity", region=EAST, instance_type=kind)
        serving.fault(kind="zone", zone="us-east-1b")
        seen.until(lambda sample: sample.available == BUDGET and sample.waiting == 2, "two replicas wait for a GPU")
        serving.advance(10)
        subjects = [each["subject"] or "" for each in serving.messages() if EAST in each["region"]]
        seen.event(f"alarm: {', '.join(each for each in subjects if 'nodes-short' in each)}")
        assert any("ALARM" in subject and "nodes-short" in subject for subject in subjects), subjects
        assert seen.latest.available == BUDGET
        serving.repair()
        seen.event("capacity and zone are back")
        seen.until(everywhere, "six replicas again")

    assert seen.least_available >= BUDGET
    assert len(seen.failed) < seen.sent / 10


def gave_up(serving: SandboxUnderTest, seen: Drill) -> str:
    """Run an update that a stuck rollout ends, and return its error."""
    began = time.monotonic()
    with pytest.raises(Failed) as caught:
        serving.engine.up("primary")
    seen.event(f"pulumi up gave up after {time.monotonic() - began:.1f} s:\n{caught.value}")
    return str(caught.value)


def test_unpullable_image_ends_the_update_with_its_cause_and_fails_no_request(serving: SandboxUnderTest) -> None:
    image = "registry.example.com/mlserver:2.0.0-broken"
    with drill(serving, EAST, EAST_NAME) as seen:
        seen.event(f"rolling out {image}")
        with serving.configured("primary", inferenceImage=image, rolloutGraceSeconds="5"):
            first = gave_up(serving, seen)
            code, reported = rollout(serving)
            stored = deployment_in_state(serving)
            again = gave_up(serving, seen)
        for said in (first, again):
            assert "rollout of ml-serving/inference-service in us-east-1: stuck" in said
            assert f"image {image} could not be pulled" in said
            assert "5 of 6 replicas of the previous revision serve" in said
            assert "set dr:inferenceImage" in said
            assert "Traceback" not in said
        assert (code, reported["state"]) == (Exit.FAILED, "stuck")
        (problem,) = reported["problems"]
        assert image in problem["fact"]
        assert problem["remedy"].startswith("set dr:inferenceImage")
        assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == image
        serving.engine.up("primary")
        seen.event("pulumi up with the image of before")
        seen.until(even, "six replicas again")

    assert seen.least_available >= REPLICAS - 1
    assert seen.failed == []
    # The state records a node of the failed updates; the first update after its removal corrects the state.
    wait_for(lambda: serving.engine.up("primary").none)


def deployment_in_state(serving: SandboxUnderTest) -> dict[str, Any]:
    (found,) = [each for each in serving.engine.resources("primary") if each["urn"].endswith("::serving-deployment")]
    return dict(found["inputs"])
