"""Node objects of EKS, and targets of the load balancer controller."""

from __future__ import annotations

from typing import Any

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from sandbox.clusters.node_objects import NodeFacts, allocatable, capacity, node, pod_block
from sandbox.clusters.targets import endpoints, wanted

GROUP = {
    "nodegroupName": "gpu",
    "amiType": "AL2023_x86_64_NVIDIA",
    "capacityType": "ON_DEMAND",
    "version": "1.35",
    "labels": {"pool": "gpu"},
    "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
}
FACTS = NodeFacts(
    "ip-10-0-0-4.ec2.internal",
    "i-0123",
    "10.0.0.4",
    "us-east-1b",
    INSTANCE_TYPES["g5.2xlarge"],
    "10.0.2.0/24",
    GROUP,
)


def test_a_node_has_labels_taints_and_a_provider_id() -> None:
    made = node(FACTS)

    assert (
        made["metadata"]["labels"].items()
        >= {
            "topology.kubernetes.io/zone": "us-east-1b",
            "topology.kubernetes.io/region": "us-east-1",
            "node.kubernetes.io/instance-type": "g5.2xlarge",
            "kubernetes.io/hostname": "ip-10-0-0-4.ec2.internal",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "eks.amazonaws.com/nodegroup": "gpu",
            "pool": "gpu",
            "kwok.x-k8s.io/node": "fake",
        }.items()
    )
    assert made["spec"] == {
        "providerID": "aws:///us-east-1b/i-0123",
        "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
        "podCIDR": "10.0.2.0/24",
        "podCIDRs": ["10.0.2.0/24"],
    }


def test_a_node_reserves_resources_for_its_system() -> None:
    kind = INSTANCE_TYPES["g5.2xlarge"]

    assert capacity(kind).items() >= {"cpu": "8", "memory": "32768Mi", "nvidia.com/gpu": "1", "pods": "58"}.items()
    # 60 + 10 + 2 x 5 + 4 x 2.5 milli-CPUs; 255 + 58 x 11 + 100 MiB.
    assert allocatable(kind).items() >= {"cpu": "7910m", "memory": "31775Mi", "nvidia.com/gpu": "1"}.items()
    assert "nvidia.com/gpu" not in capacity(INSTANCE_TYPES["m6i.large"])
    assert capacity(INSTANCE_TYPES["g5.12xlarge"])["nvidia.com/gpu"] == "4"


@pytest.mark.parametrize(
    ("subnet", "used", "expected"),
    [
        ("10.0.0.0/19", [], "10.0.1.0/24"),
        ("10.0.0.0/19", ["10.0.1.0/24"], "10.0.2.0/24"),
        ("10.0.0.0/24", [], "10.0.0.32/27"),
        ("10.0.0.0/28", [], "10.0.0.4/30"),
        ("10.0.0.0/28", ["10.0.0.4/30", "10.0.0.8/30", "10.0.0.12/30"], ""),
    ],
)
def test_each_node_has_its_own_block_of_the_subnet_for_pods(subnet: str, used: list[str], expected: str) -> None:
    assert pod_block(subnet, used) == expected


def slice_of(service: str, ready: bool | None, address: str, port: int = 8080, name: str = "http") -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready}
    return {
        "metadata": {"namespace": "ml-serving", "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": name, "port": port}],
        "endpoints": [{"addresses": [address], "conditions": conditions}],
    }


@pytest.mark.parametrize("named", ["http", 80])
def test_ready_endpoints_of_the_service_become_targets(named: str | int) -> None:
    binding = {
        "metadata": {"namespace": "ml-serving"},
        "spec": {"serviceRef": {"name": "inference", "port": named}},
    }
    service = {
        "metadata": {"namespace": "ml-serving", "name": "inference"},
        "spec": {"ports": [{"name": "metrics", "port": 81}, {"name": "http", "port": 80}]},
    }
    slices = [
        slice_of("inference", True, "10.0.1.1"),
        slice_of("inference", False, "10.0.1.2"),
        slice_of("inference", None, "10.0.1.3"),
        slice_of("inference", True, "10.0.1.4", 8082, "metrics"),
        slice_of("other", True, "10.0.1.5"),
    ]
    found = endpoints(binding, [service], slices)

    assert len(found) == 3
    assert wanted(found) == {("10.0.1.1", 8080), ("10.0.1.3", 8080)}
    assert endpoints(binding, [], slices) == []
