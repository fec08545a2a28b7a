"""The model registry on a whole sandbox: what each cluster has of it, and a real MLflow of the deployed pod."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from dr.dns_resolver import resolver_and_port
from dr.names import MLFLOW, TRAINING
from dr.topology.registry import SERVER
from sandbox.clusters import egress_policies
from tests.support import mlflow, mlflow_pod
from tests.support.dr_command import dr
from tests.support.network import EAST, WEST, in_vpc
from tests.support.registry_server import RUNS, STOPPED, api_of, found, pods
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]


@pytest.fixture
def sandbox(inside: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    inside.advance(3)
    yield inside
    inside.repair()


def block_of(sandbox: SandboxUnderTest, region: str) -> str:
    """Return the CIDR block of a region's VPC."""
    (vpc,) = in_vpc(sandbox, region, "describe_vpcs", "Vpcs")
    return str(vpc["CidrBlock"])


@pytest.mark.parametrize("region", [EAST, WEST])
def test_each_cluster_has_the_server_with_an_identity_and_a_way_to_its_own_database(
    sandbox: SandboxUnderTest, region: str
) -> None:
    api = api_of(sandbox, region)
    other = WEST if region == EAST else EAST

    def there(kind: str, name: str = SERVER, version: str = "v1", space: str = MLFLOW) -> dict[str, Any]:
        return api.find(version, kind, space, name) or pytest.fail(f"no {kind} {name} in {space}")

    assert found(sandbox, region) == {EAST: RUNS, WEST: STOPPED}[region][region]
    template = there("Deployment", version="apps/v1")["spec"]["template"]
    pod = {"metadata": {**template["metadata"], "namespace": MLFLOW}}
    policies = api.call("GET", f"/apis/networking.k8s.io/v1/namespaces/{MLFLOW}/networkpolicies")["items"]
    reached = {
        where: egress_policies.admits(policies, pod, str(ip_network(block_of(sandbox, where))[9]), 5432)
        for where in (region, other)
    }
    assert reached == {region: True, other: False}
    (link,) = sandbox.client("eks", region).list_pod_identity_associations(
        clusterName="ml-dr", namespace=MLFLOW, serviceAccount=template["spec"]["serviceAccountName"]
    )["associations"]
    assert link["associationArn"]
    assert there("ServiceAccount")["automountServiceAccountToken"] is False
    assert there("Service")["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert there("PodDisruptionBudget", version="policy/v1")["spec"]["maxUnavailable"] == 1
    assert there("NetworkPolicy", "model-registry", "networking.k8s.io/v1", TRAINING)
    code = {each["name"]: each for each in template["spec"]["volumes"]}["code"]["configMap"]["name"]
    assert "dr.pods.database_login.py" in there("ConfigMap", code)["data"]


@pytest.mark.skipif(bool(mlflow.LACKING), reason=f"not run: {mlflow.LACKING}")
def test_deployed_pod_runs_a_real_mlflow_over_the_deployed_database_and_bucket(
    sandbox: SandboxUnderTest, tmp_path: Path
) -> None:
    api = api_of(sandbox, EAST)
    pod = pods(api)[0]
    resolver, _ = resolver_and_port()
    address = str(resolver.resolve(mlflow_pod.host_of(pod), "A")[0])
    given = mlflow_pod.network(sandbox.server.endpoint, sandbox.local.authority, address)
    with mlflow_pod.running(pod, api.config_map, given, tmp_path / "pod") as url:
        run = mlflow.log_version(mlflow.client(url), "0", "iris", "first")
        code, verified = dr(sandbox, "registry", "verify", "--tracking", url)

    assert code == 0, verified
    bucket = sandbox.engine.outputs("primary")["buckets"]["registry"][0]
    kept = sandbox.client("s3", EAST).list_objects_v2(Bucket=bucket, Prefix=f"mlflow/0/{run}/")["Contents"]
    assert [each["Key"].rpartition("/")[2] for each in kept] == ["MLmodel", "weights.bin", "text.txt"]
