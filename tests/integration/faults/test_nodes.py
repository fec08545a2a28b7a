"""GPU nodes added by the autoscaler, with the real engine: updates keep them; only the autoscaler removes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config

from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, SPACE, JOBS = "us-east-1", "ml-training", ("job-0", "job-1")
JOB: dict[str, Any] = {
    "restartPolicy": "Never",
    "priorityClassName": "ml-batch",
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "job",
            "image": "registry.example.com/job:1",
            "resources": {
                "requests": {"cpu": "1", "memory": "1Gi"},
                "limits": {"nvidia.com/gpu": "1", "memory": "1Gi"},
            },
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}


@pytest.fixture
def pods(inside: SandboxUnderTest) -> Iterator[client.CoreV1Api]:
    """API of the primary region's cluster; the test's jobs are deleted afterwards."""
    path = str(inside.local.kubeconfig)
    api = client.CoreV1Api(config.new_client_from_config(config_file=path, context=EAST))
    yield api
    api.delete_collection_namespaced_pod(SPACE, grace_period_seconds=0)


def test_update_keeps_nodes_that_the_autoscaler_added_and_the_autoscaler_removes_them(
    deployed: SandboxUnderTest, pods: client.CoreV1Api
) -> None:
    wait_for(lambda: deployed.gpu_nodes(EAST) == (6, 6))
    deployed.engine.up("primary")  # an earlier test may have left other desired sizes in the state
    for name in JOBS:
        pods.create_namespaced_pod(SPACE, {"metadata": {"name": name}, "spec": JOB})
    wait_for(lambda: deployed.gpu_nodes(EAST) == (6, 8))

    for changes in (deployed.engine.preview("primary"), deployed.engine.up("primary")):
        updated = [urn for done, urn, _ in changes.changed if done == "update" and "aws:eks/nodeGroup" in urn]
        assert len(updated) == 2, "the groups of two zones grew"
    assert deployed.engine.up("primary").none
    assert deployed.gpu_nodes(EAST) == (6, 8)

    pods.delete_collection_namespaced_pod(SPACE, grace_period_seconds=0)
    wait_for(lambda: deployed.gpu_nodes(EAST) == (6, 6))
    assert deployed.engine.up("primary").counts["update"] == 2
    assert deployed.gpu_nodes(EAST) == (6, 6)
    assert deployed.engine.up("primary").none
