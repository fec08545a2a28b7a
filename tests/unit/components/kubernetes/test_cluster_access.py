import json
from typing import Any
from unittest import mock

import pulumi
import pytest
from pulumi.runtime import mocks

from components.kubernetes.cluster_access import ClusterAccess, ClusterAccessArgs
from components.kubernetes.objects import KubernetesObject, token
from tests.support.kubernetes import ARN, inside
from tests.support.mocks import deploy

THING = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "it", "namespace": "ml-serving"},
    "data": {"a": "b"},
}


def requests(with_cluster: bool) -> dict[str, Any]:
    """Return the requests to the engine, options included."""
    requested: dict[str, Any] = {}
    original = mocks.MockMonitor.RegisterResource

    def register(self: Any, request: Any) -> Any:
        requested[request.name] = request
        return original(self, request)

    def program() -> None:
        made = pulumi.CustomResource("aws:eks/cluster:Cluster", "made", {"name": "ml-dr", "vpcConfig": {}})
        cluster = pulumi.ComponentResource("test:index:Cluster", "cluster")
        args = ClusterAccessArgs(
            "ml-dr", "us-west-2", ARN, "https://x", "UEVN", made if with_cluster else None, [cluster]
        )
        access = ClusterAccess("access", args)
        access.place(access, "it", THING)

    with mock.patch.object(mocks.MockMonitor, "RegisterResource", register):
        deploy(program)
    return requested


def test_the_provider_is_identified_by_the_clusters_arn_and_uses_server_side_apply() -> None:
    made = inside(lambda access: access.place(access, "it", THING)).one("kubernetes", "access-provider")

    assert made["clusterIdentifier"] == ARN
    assert made["enableServerSideApply"] in (True, "true")
    config = json.loads(made["kubeconfig"])
    assert config["clusters"][0]["cluster"] == {"server": "https://ml-dr.example", "certificate-authority-data": "UEVN"}
    assert config["users"][0]["user"]["exec"]["args"] == [
        "eks-token",
        "--cluster-name",
        "ml-dr",
        "--region",
        "us-west-2",
    ]


def test_provider_and_objects_are_deleted_with_a_cluster_of_this_stack() -> None:
    requested = requests(with_cluster=True)

    assert requested["access-provider"].deletedWith.endswith("::made")
    assert requested["it"].deletedWith.endswith("::made")


def test_objects_in_an_existing_cluster_are_deleted_one_by_one() -> None:
    assert requests(with_cluster=False)["it"].deletedWith == ""


def test_an_object_uses_the_clusters_provider() -> None:
    requested = requests(with_cluster=True)

    assert "pulumi:providers:kubernetes::access-provider" in requested["it"].provider


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("v1", "Service", "kubernetes:core/v1:Service"),
        ("apps/v1", "Deployment", "kubernetes:apps/v1:Deployment"),
        ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding"),
    ],
)
def test_the_type_token_of_an_object_is_that_of_the_sdk(version: str, kind: str, expected: str) -> None:
    assert token({"apiVersion": version, "kind": kind}) == expected


def test_an_object_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the ConfigMap has no metadata\.name"):
        KubernetesObject("it", {"apiVersion": "v1", "kind": "ConfigMap"}, pulumi.ResourceOptions())
