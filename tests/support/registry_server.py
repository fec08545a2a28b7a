"""The MLflow server of a whole sandbox, by the Kubernetes API and RDS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernetes import config

from dr.names import MLFLOW
from dr.topology.registry import DATABASE_HOST, DEPLOYMENT, REPLICAS, SERVER
from sandbox.clusters.api import Api
from tests.support.databases import AWAY, HOME
from tests.support.deployment import DIGEST
from tests.support.network import EAST, WEST
from tests.support.sandbox import SandboxUnderTest

SETTINGS = {"registry": "mlflow", "registryImage": f"docker.io/example/mlflow:3.17.2@{DIGEST}"}
PODS = f"/api/v1/namespaces/{MLFLOW}/pods?labelSelector=app%3D{SERVER}"


@dataclass(frozen=True)
class Found:
    """What a region's cluster has of the server.

    Args:
        requested: Replicas that the Deployment requests.
        ready: Ready replicas.
        database: Identifier of the region's database cluster with the endpoint that pods get; "" for none.
    """

    requested: int
    ready: int
    database: str


RUNS = {EAST: Found(REPLICAS, REPLICAS, HOME), WEST: Found(REPLICAS, REPLICAS, AWAY)}
STOPPED = {EAST: Found(0, 0, HOME), WEST: Found(0, 0, AWAY)}


def api_of(sandbox: SandboxUnderTest, region: str) -> Api:
    """Return a client of a region's API server."""
    return Api(config.new_client_from_config(str(sandbox.local.kubeconfig), context=region))


def pods(api: Api) -> list[dict[str, Any]]:
    """Return the server's pods that are not terminating."""
    return [each for each in api.call("GET", PODS)["items"] if "deletionTimestamp" not in each["metadata"]]


def found(sandbox: SandboxUnderTest, region: str) -> Found:
    """Read the Deployment of a region's cluster, and look up its database with RDS."""
    read = api_of(sandbox, region).call("GET", DEPLOYMENT)
    host = read["spec"]["template"]["metadata"]["annotations"][DATABASE_HOST]
    clusters = sandbox.client("rds", region).describe_db_clusters()["DBClusters"]
    names = [each["DBClusterIdentifier"] for each in clusters if each["Endpoint"] == host]
    return Found(read["spec"]["replicas"], read["status"].get("readyReplicas", 0), "".join(names))
