"""What operations change on a real API server, by the real client, and the deployments before and after."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.kubernetes import mlflow_spec
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.topology.registry import DATABASE_HOST, DEPLOYMENT, REPLICAS
from sandbox.clusters.api import MERGE, Api, RefusedError
from sandbox.control_plane.control_plane import ControlPlane
from tests.support.kubernetes import mlflow

NUMBERS = itertools.count()


class Cluster:
    """A namespace of a cluster, changed by deployments and by operations."""

    def __init__(self, plane: ControlPlane) -> None:
        self.api, self.space = Api(plane.api()), f"operations-{next(NUMBERS)}"
        self.path = DEPLOYMENT.replace("/mlflow/", f"/{self.space}/")
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space}}
        self.api.call("POST", "/api/v1/namespaces", space)

    def deploy(self, **changes: Any) -> None:
        """Apply the manifest as Pulumi's plugin does."""
        made = mlflow_spec.deployment(mlflow(**changes))
        made["metadata"]["namespace"] = self.space
        self.api.call("PATCH", f"{self.path}?fieldManager=ml-dr", made, "application/apply-patch+yaml")

    def live(self) -> tuple[int, str]:
        """Return replicas, and the endpoint of their database."""
        spec = self.api.call("GET", self.path)["spec"]
        return spec["replicas"], (spec["template"]["metadata"].get("annotations") or {}).get(DATABASE_HOST, "")


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Cluster:
    return Cluster(control_plane)


@pytest.fixture
def operator(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> ClusterApi:
    """The client of operations, with credentials of the cluster instead of a token of EKS."""

    def ask(self: ClusterApi, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        return json.dumps(cluster.api.call(method, path, dict(body) if body else None, MERGE))

    monkeypatch.setattr(ClusterApi, "_ask", ask)
    return ClusterApi(ClusterAddress("ml-dr", "us-east-1", "https://cluster.example", ""))


def test_deployment_stops_what_an_earlier_operation_started(cluster: Cluster, operator: ClusterApi) -> None:
    """A switchover and a failback, then a failover after which the region returns."""
    for serves in (True, False, True):
        cluster.deploy(serves=serves)
        operator.change(cluster.path, {"spec": {"replicas": 0 if serves else REPLICAS}})
        cluster.deploy(serves=not serves)
        assert cluster.live()[0] == (0 if serves else REPLICAS)


def test_field_that_an_operation_owned_would_be_a_conflict_for_the_deployment(
    cluster: Cluster, operator: ClusterApi
) -> None:
    cluster.deploy(serves=False)
    operator.merge(cluster.path, {"spec": {"replicas": REPLICAS}})
    with pytest.raises(RefusedError, match=r'conflict with "dr" using apps/v1: \.spec\.replicas'):
        cluster.deploy(serves=False)


def test_deployment_without_a_database_keeps_the_endpoint_that_a_failover_set(
    cluster: Cluster, operator: ClusterApi
) -> None:
    cluster.deploy(serves=False, host=None)
    template = {"metadata": {"annotations": {DATABASE_HOST: "restored.example"}}}
    operator.change(cluster.path, {"spec": {"replicas": REPLICAS, "template": template}})
    cluster.deploy(serves=True, host=None, bucket="another")
    assert cluster.live() == (REPLICAS, "restored.example")

    operator.change(cluster.path, {"spec": {"replicas": 0}})
    cluster.deploy(serves=False, host="replica.example")
    assert cluster.live() == (0, "replica.example")
