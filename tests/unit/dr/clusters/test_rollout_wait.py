from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dr.clients import Unreachable
from dr.clusters import rollout_wait
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.clusters.rollouts import Limits, Look, Patience
from dr.errors import Failed, Problem
from tests.support.rollouts import (
    FLOOR,
    NOW,
    condition,
    deployment,
    pod,
    replica_set,
    rolling,
    starting,
    unscheduled,
    waiting,
)

ADDRESS = ClusterAddress("ml-dr", "us-east-1", "https://ml-dr.example", "UEVN")
DONE = Look(NOW, deployment(), [replica_set(2)], [pod(number) for number in range(FLOOR)])
PULL = waiting("ErrImagePull", "not found")
DEAD = Unreachable(Problem("cluster ml-dr in us-east-1", "the API server does not answer: timed out", "check"))


class Script(ClusterApi):
    """An API server with a scripted rollout: each observation is the next one, and the last is repeated."""

    def __init__(self, looks: Sequence[Look | Failed]) -> None:
        super().__init__(ADDRESS)
        self.looks, self.seconds, self.merged = list(looks), 0.0, list[Any]()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        now = self.looks[0]
        if isinstance(now, Failed):
            raise now
        self.now = now.at
        return (
            {"items": now.replica_sets}
            if "replicasets" in path
            else ({"items": now.pods} if path.endswith("/pods") else dict(now.deployment))
        )

    def merge(self, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        self.merged.append((path.rpartition("/")[2], change))
        self.looks.pop(0)
        return {}

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if len(self.looks) > 1:
            self.looks.pop(0)


def waited(*looks: Look | Failed, **changes: Any) -> tuple[Any, list[str], float]:
    script, lines = Script(looks), list[str]()
    patience = Patience(**{"seconds": 600.0, "limits": Limits(), "enough": 4, **changes})
    found = rollout_wait.wait(script, FLOOR, patience, lines.append, lambda: script.seconds, script.sleep)
    return found, lines, script.seconds


def test_complete_rollout_is_read_once() -> None:
    found, lines, seconds = waited(DONE)

    assert (str(found.phase), lines, seconds) == ("complete", [], 0.0)


def at_zero(*managers: str) -> Look:
    """Return a Deployment with no replicas, whose number these managers declare."""
    found = deployment(replicas=0, updatedReplicas=0, availableReplicas=0, readyReplicas=0)
    found["spec"]["replicas"] = 0
    found["metadata"]["managedFields"] = [
        {"manager": each, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}} for each in managers
    ]
    return Look(NOW, found)


def test_deployment_that_a_failback_left_at_zero_is_started_again() -> None:
    script = Script([at_zero(), DONE])
    found = rollout_wait.wait(script, FLOOR, Patience(600.0, Limits(), 4), lambda line: None)

    assert (str(found.phase), script.merged) == ("complete", [("scale", {"spec": {"replicas": 1}})])


def test_deployment_whose_zero_an_operator_declares_is_reported_and_not_started() -> None:
    script = Script([at_zero("kubectl-edit")] * 2)
    with pytest.raises(Failed, match="scale deployment inference-service --replicas=1"):
        rollout_wait.wait(script, FLOOR, Patience(600.0, Limits(), 4), lambda line: None, sleep=script.sleep)

    assert script.merged == []


def test_progress_is_reported_only_when_it_changes() -> None:
    one, same = rolling(starting(1, running={})), rolling(starting(1, running={}))
    two = rolling(starting(1, running={}), pod(2), updated=2)
    _, lines, _ = waited(one, same, two, DONE)

    assert [line.partition(";")[0] for line in lines] == [
        "1 of 6 replicas are updated, 0 of these are ready",
        "2 of 6 replicas are updated, 1 of these are ready",
    ]


def test_stuck_rollout_ends_the_wait_with_every_reason_and_remedy() -> None:
    looks = [rolling(starting(1, **PULL), after=after) for after in (0, 30)]
    with pytest.raises(Failed) as caught:
        waited(*looks)

    overall, reason = caught.value.problems
    assert overall.subject == "rollout of ml-serving/inference-service in us-east-1"
    assert overall.fact.startswith("stuck: 1 of 6 replicas are updated, 0 of these are ready; 5 of 6 replicas")
    assert "could not be pulled" in reason.fact
    assert reason.remedy.startswith("set dr:inferenceImage to an image that the nodes can pull")
    assert "delete pod inference-service-2-1`" in reason.remedy


def test_temporary_request_failures_are_tolerated() -> None:
    found, lines, _ = waited(DEAD, DEAD, DONE)

    assert str(found.phase) == "complete"
    assert lines == ["the state of the rollout is unknown: the API server does not answer: timed out"]


def test_persistent_request_failures_end_the_wait_as_unknown() -> None:
    with pytest.raises(Unreachable) as caught:
        waited(DEAD, tolerated=30.0)

    assert "its state is unknown, requests fail for 30 s: the API server does not answer" in str(caught.value)


def test_wait_ends_with_failure_at_its_time_limit() -> None:
    with pytest.raises(Failed, match="not complete after 60 s: 1 of 6 replicas are updated"):
        waited(rolling(starting(1, running={})), seconds=60.0)


@pytest.fixture
def short() -> list[Look]:
    """A rolled-out revision with one replica missing for longer than a node takes to boot."""
    conditions = [condition("Progressing", "True", "NewReplicaSetAvailable")]
    return [
        rolling(unscheduled(1, 900), updated=6, available=5, conditions=conditions, after=after) for after in (0, 30)
    ]


def test_missing_replicas_within_the_disruption_budget_are_not_a_failure(short: list[Look]) -> None:
    found, _, _ = waited(*short)

    assert (str(found.phase), found.counts.available) == ("stuck", 5)


def test_fewer_replicas_than_the_disruption_budget_are_a_failure(short: list[Look]) -> None:
    with pytest.raises(Failed, match="Insufficient nvidia"):
        waited(*short, enough=6)
