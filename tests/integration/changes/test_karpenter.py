"""Tier `backup` with Karpenter: its instances are terminated while the cluster, its nodes and Karpenter still exist."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from kubernetes import client, config

from dr import clients
from dr.findings import Finding, Status
from dr.preflight import leftovers
from dr.preflight.check import Subject
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from sandbox.local import ROOT
from tests.support.builders import topology
from tests.support.network import WEST
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

NODE_CLASS = ("karpenter.k8s.aws", "v1", "ec2nodeclasses", "gpu")
FINALIZER = "karpenter.k8s.aws/termination"
TAGS = {"karpenter.sh/nodepool": "gpu", "kubernetes.io/cluster/ml-dr": "owned"}


@dataclass
class StandIn:
    """Karpenter's part in the deletion of its node class, since the sandbox does not run Karpenter.

    It has one instance with Karpenter's tags. Its finalizer keeps the class until that instance is terminated
    (Karpenter documentation, "NodeClasses").
    """

    sandbox: SandboxUnderTest
    instance: str = ""
    existed: dict[str, Any] = field(default_factory=dict)
    """What existed when the instance was terminated."""

    def start(self) -> None:
        """Launch the instance, and add the finalizer."""
        tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
        made = self.sandbox.client("ec2", WEST).run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        self.instance = made["Instances"][0]["InstanceId"]
        self._finalizers([FINALIZER])

    def terminate(self) -> None:
        """Wait until the class is to be deleted, then terminate the instance and remove the finalizer."""
        api = client.CustomObjectsApi(self._api())
        wait_for(
            lambda: "deletionTimestamp" in api.get_cluster_custom_object(*NODE_CLASS)["metadata"],
            "the deletion of Karpenter's node class",
        )
        eks = self.sandbox.client("eks", WEST)
        (cluster,) = eks.list_clusters()["clusters"]
        pods = client.AppsV1Api(self._api()).list_deployment_for_all_namespaces().items
        self.existed = {
            "groups": eks.list_nodegroups(clusterName=cluster)["nodegroups"],
            "controllers": [each.metadata.name for each in pods],
        }
        self.sandbox.client("ec2", WEST).terminate_instances(InstanceIds=[self.instance])
        self._finalizers(None)

    def _finalizers(self, names: list[str] | None) -> None:
        client.CustomObjectsApi(self._api()).patch_cluster_custom_object(
            *NODE_CLASS, {"metadata": {"finalizers": names}}
        )

    def _api(self) -> client.ApiClient:
        return config.new_client_from_config(str(self.sandbox.local.kubeconfig), context=WEST)


def left() -> list[Finding]:
    clients.forget()
    return list(leftovers.look(Subject(replace(topology(Role.RECOVERY), tier=Tier.BACKUP), "dr", ROOT)))


def test_change_to_backup_waits_until_karpenters_instances_are_terminated(inside: SandboxUnderTest) -> None:
    karpenter = StandIn(inside)
    try:
        with inside.configured("dr", karpenter="true"):
            inside.engine.up("dr")
            karpenter.start()
            assert [each.name for each in left() if each.status is Status.MISSED] == ["instances of Karpenter"]
            inside.configure("dr", tier="backup")
            ended = threading.Thread(target=karpenter.terminate, daemon=True)
            ended.start()
            inside.engine.up("dr")
            ended.join()
            assert inside.client("eks", WEST).list_clusters()["clusters"] == []
            assert [(each.status, each.measured) for each in left()] == [
                (Status.MET, "no instance, volume or load balancer")
            ]
    finally:
        inside.engine.up("dr")

    assert any("system" in name for name in karpenter.existed["groups"]), "the nodes under Karpenter"
    assert "karpenter" in karpenter.existed["controllers"]
