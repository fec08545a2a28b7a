"""Deployments are scaled down to the minimum of their autoscalers."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clusters.demand import Demand

SCALE = "/apis/apps/v1/namespaces/ml-serving/deployments/inference-service/scale?fieldManager=kube-controller-manager"


class Cluster:
    """A substitute for the API and the watched autoscalers, which records patches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.autoscaler = 0.0, autoscaler()
        self.patched: list[tuple[str, Any]] = []
        self.demand = Demand(self, self, speed=60)  # type: ignore[arg-type]
        monkeypatch.setattr("sandbox.clusters.demand.time.monotonic", lambda: self.now)

    def all(self) -> list[dict[str, Any]]:
        return [self.autoscaler]

    def patch(self, path: str, content: dict[str, Any]) -> None:
        self.patched.append((path, content))

    def looks_at(self, now: float) -> list[tuple[str, Any]]:
        self.now = now
        self.demand.step()
        return self.patched


def autoscaler(current: int = 6, kind: str = "Deployment") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ml-serving"},
        "spec": {"minReplicas": 3, "scaleTargetRef": {"kind": kind, "name": "inference-service"}},
        "status": {"currentReplicas": current},
    }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def test_deployments_are_scaled_down_to_the_minimum_after_five_modelled_minutes(cluster: Cluster) -> None:
    assert cluster.looks_at(1.0) == []
    assert cluster.looks_at(5.9) == []
    assert cluster.looks_at(6.0) == [(SCALE, {"spec": {"replicas": 3}})]


def test_the_stabilization_window_restarts_at_the_minimum(cluster: Cluster) -> None:
    cluster.looks_at(1.0)
    cluster.autoscaler = autoscaler(current=3)
    cluster.looks_at(5.0)
    cluster.autoscaler = autoscaler()

    assert cluster.looks_at(6.0) == []


@pytest.mark.parametrize("given", [autoscaler(current=3), autoscaler(current=0), autoscaler(kind="StatefulSet")])
def test_other_autoscalers_are_not_changed(cluster: Cluster, given: dict[str, Any]) -> None:
    cluster.autoscaler = given
    cluster.looks_at(1.0)

    assert cluster.looks_at(100.0) == []
