"""Objects of the MLflow server: each test reads one property of the manifests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.compute.cluster_iam import REGISTRY_SERVER
from components.kubernetes import code_pod_spec, mlflow_spec, namespace_spec
from components.kubernetes.labels import service_account
from components.kubernetes.mlflow import MlflowServer, MlflowServerArgs
from dr.pods.database_login import SERVICE
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier
from policies.rules.model import Resource
from policies.rules.workloads import RULES
from tests.support.kubernetes import inside, mlflow

MADE = mlflow_spec.deployment(mlflow())
POD = MADE["spec"]["template"]["spec"]
(LOGIN,), (SERVER,) = POD["initContainers"], POD["containers"]
VOLUMES = {each["name"]: each for each in POD["volumes"]}


def variables(container: Any) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def arguments() -> dict[str, str]:
    return dict(each.removeprefix("--").split("=", 1) for each in SERVER["args"])


@pytest.mark.parametrize(("serves", "replicas"), [(True, 2), (False, 0)])
def test_server_has_replicas_only_in_the_region_that_clients_use(serves: bool, replicas: int) -> None:
    assert mlflow_spec.deployment(mlflow(serves=serves))["spec"]["replicas"] == replicas


def test_rows_name_no_bucket_because_the_server_stores_artifacts_in_the_bucket_of_its_region() -> None:
    assert arguments()["artifacts-destination"] == "s3://ml-dr-123456789012-us-west-2-registry/mlflow"
    assert "default-artifact-root" not in arguments()


def test_no_manifest_has_a_login_and_the_server_reads_it_from_a_volume_in_memory() -> None:
    assert arguments()["backend-store-uri"] == f"postgresql+psycopg2:///?service={SERVICE}"
    mounts = {each["name"]: each for each in SERVER["volumeMounts"]}
    assert VOLUMES["login"]["emptyDir"]["medium"] == "Memory"
    assert mounts["login"]["readOnly"] is True
    assert variables(SERVER)["PGSERVICEFILE"] == variables(LOGIN)["PGSERVICEFILE"]
    assert variables(SERVER)["PGSERVICEFILE"].startswith(mounts["login"]["mountPath"])
    assert not [name for each in (LOGIN, SERVER) for name in variables(each) if "PASSWORD" in name]
    assert "secretKeyRef" not in json.dumps(MADE)


def test_host_of_the_database_is_an_annotation_that_a_failover_can_change() -> None:
    annotations = MADE["spec"]["template"]["metadata"]["annotations"]

    assert annotations == {"ml-dr/database-host": mlflow().host}
    assert variables(LOGIN)["DATABASE_HOST"] == {
        "fieldRef": {"fieldPath": "metadata.annotations['ml-dr/database-host']"}
    }


def test_region_without_a_database_keeps_the_endpoint_that_a_failover_sets() -> None:
    """Server-side apply changes no field that the manifest does not have."""
    assert "annotations" not in mlflow_spec.deployment(mlflow(host=None))["spec"]["template"]["metadata"]


@pytest.mark.parametrize("container", [LOGIN, SERVER], ids=["login", "server"])
def test_containers_are_restricted_and_have_a_memory_limit(container: Any) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


def test_pods_are_not_root_have_seccomp_and_no_token_of_the_cluster() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False


def test_pods_have_the_service_account_that_the_role_trusts() -> None:
    account = service_account("mlflow", "mlflow")["metadata"]

    assert POD["serviceAccountName"] == account["name"] == REGISTRY_SERVER.service_account
    assert MADE["metadata"]["namespace"] == account["namespace"] == REGISTRY_SERVER.namespace


def test_probes_ask_for_health_on_the_port_of_the_service() -> None:
    (port,) = mlflow_spec.service()["spec"]["ports"]

    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert SERVER[name]["httpGet"] == {"path": "/health", "port": port["targetPort"]}
    assert mlflow_spec.service()["spec"]["type"] == "ClusterIP"
    assert arguments()["port"] == str(port["port"]) == "5000"


@pytest.mark.parametrize("host", ["mlflow.mlflow.svc.cluster.local", "mlflow.mlflow", "localhost"])
def test_server_answers_the_names_of_its_service_with_and_without_port(host: str) -> None:
    """MLflow compares the header Host with each entry, and takes `*` in one as a pattern."""
    allowed = variables(SERVER)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")

    assert {host, f"{host}:*"} <= set(allowed)
    assert "*" not in allowed


def test_only_pods_of_training_and_serving_may_call_the_server() -> None:
    (rule,) = mlflow_spec.network_policies(mlflow())["policy"]["spec"]["ingress"]
    names = [each["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for each in rule["from"]]

    assert names == ["ml-training", "ml-serving"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 5000}]


@pytest.mark.parametrize("space", ["ml-training", "ml-serving"])
def test_callers_may_reach_the_server_and_nothing_else_in_its_namespace(space: str) -> None:
    made = mlflow_spec.network_policies(mlflow())[f"from-{space}"]
    (rule,) = made["spec"]["egress"]
    (target,) = rule["to"]

    assert (made["metadata"]["namespace"], made["spec"]["policyTypes"]) == (space, ["Egress"])
    assert target["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "mlflow"}
    assert target["podSelector"]["matchLabels"] == MADE["spec"]["selector"]["matchLabels"]


def test_server_may_reach_the_database_and_what_every_pod_of_its_namespace_may() -> None:
    (rule,) = mlflow_spec.network_policies(mlflow())["policy"]["spec"]["egress"]
    common = namespace_spec.contents(
        next(
            each
            for each in namespace_spec.namespaces(capacity(Workload(), Tier.ACTIVE, 3), 3, 1)
            if each.name == "mlflow"
        )
    )["egress"]["spec"]["egress"]

    assert rule == {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"protocol": "TCP", "port": 5432}]}
    assert {port["port"] for each in common for port in each["ports"]} == {53, 80, 443}


def test_selectors_of_service_budget_and_policy_are_the_labels_of_the_pods() -> None:
    labels = MADE["spec"]["template"]["metadata"]["labels"]

    for selector in (
        mlflow_spec.service()["spec"]["selector"],
        mlflow_spec.budget()["spec"]["selector"]["matchLabels"],
        mlflow_spec.network_policies(mlflow())["policy"]["spec"]["podSelector"]["matchLabels"],
        MADE["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_drain_removes_one_replica_and_blocks_nothing_without_replicas() -> None:
    assert mlflow_spec.budget()["spec"]["maxUnavailable"] == 1


def test_no_deployment_waits_for_the_server() -> None:
    assert MADE["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_deployment_complies_with_every_policy_of_workloads() -> None:
    workload = Resource("kubernetes:apps/v1:Deployment", "registry", MADE)

    assert [fact for rule in RULES if rule.check for fact in rule.check(workload)] == []


def test_deployment_depends_on_code_account_and_policies() -> None:
    cloud = inside(lambda access: MlflowServer("registry", MlflowServerArgs(access, mlflow())))

    made = {each.name: each.type.rpartition(":")[2] for each in cloud.resources if each.type.startswith("kubernetes:")}
    assert made == {
        "registry-account": "ServiceAccount",
        f"registry-{mlflow().login.code_name}": "ConfigMap",
        "registry-budget": "PodDisruptionBudget",
        "registry-service": "Service",
        "registry-policy": "NetworkPolicy",
        "registry-from-ml-training": "NetworkPolicy",
        "registry-from-ml-serving": "NetworkPolicy",
        "registry-deployment": "Deployment",
    }
    assert list(made)[-1] == "registry-deployment"
    assert VOLUMES["code"]["configMap"]["name"] == code_pod_spec.code(mlflow().login)["metadata"]["name"]
