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
    """What the engine is asked for, options included."""
    asked: dict[str, Any] = {}
    original = mocks.MockMonitor.RegisterResource

    def register(self: Any, request: Any) -> Any:
        asked[request.name] = request
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
    return asked


def test_the_provider_is_the_clusters_by_its_arn_and_applies_on_the_server() -> None:
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


def test_provider_and_objects_go_with_a_cluster_that_is_made_here() -> None:
    asked = requests(with_cluster=True)

    assert asked["access-provider"].deletedWith.endswith("::made")
    assert asked["it"].deletedWith.endswith("::made")


def test_objects_in_somebody_elses_cluster_are_deleted_one_by_one() -> None:
    assert requests(with_cluster=False)["it"].deletedWith == ""


def test_an_object_is_made_by_the_clusters_provider() -> None:
    asked = requests(with_cluster=True)

    assert "pulumi:providers:kubernetes::access-provider" in asked["it"].provider


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("v1", "Service", "kubernetes:core/v1:Service"),
        ("apps/v1", "Deployment", "kubernetes:apps/v1:Deployment"),
        ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding"),
    ],
)
def test_an_objects_type_is_the_sdks(version: str, kind: str, expected: str) -> None:
    assert token({"apiVersion": version, "kind": kind}) == expected


def test_an_object_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a ConfigMap without metadata\.name"):
        KubernetesObject("it", {"apiVersion": "v1", "kind": "ConfigMap"}, pulumi.ResourceOptions())
