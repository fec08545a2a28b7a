"""A node as EKS's image registers it. Pure.

Labels: "Well-known labels" of Kubernetes, and EKS user guide, "Managed node groups". What a node keeps for itself:
awslabs/amazon-eks-ami, nodeadm, internal/kubelet (reserved CPU and memory, 100 MiB before eviction). GPUs are there at
once, as if NVIDIA's device plugin had run before.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

KWOK_LABEL = "kwok.x-k8s.io/node"
"""What kwok plays the kubelet of; a node that loses it is dead: its lease is not renewed."""
EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
CPU_SHARES = ((1, 60), (1, 10), (2, 5))
"""Milli-CPUs kept of the first, the second, and the next two; 2.5 of each further one."""
MEMORY_BASE_MIB, MEMORY_POD_MIB, EVICTION_MIB = 255, 11, 100
MOST_PODS, MOST_PODS_LARGE, LARGE_CPUS = 110, 250, 30
POD_BLOCKS = 8
"""A subnet is divided by this among its nodes' pods, or into blocks of 256 addresses where those are smaller."""


@dataclass(frozen=True)
class NodeFacts:
    """What is known of an instance that joins.

    Args:
        name: Its private DNS name.
        instance_id: Its id.
        address: Its private address.
        zone: Where it is.
        type: Its type's description, as DescribeInstanceTypes has it.
        pods: The block its pods get addresses of; empty where the subnet has none left.
        group: The node group, as DescribeNodegroup has it.
    """

    name: str
    instance_id: str
    address: str
    zone: str
    type: Mapping[str, Any]
    pods: str
    group: Mapping[str, Any]


def node(facts: NodeFacts) -> dict[str, Any]:
    """The Node object."""
    group, kind = facts.group, facts.type
    arch = "arm64" if "arm64" in kind["ProcessorInfo"]["SupportedArchitectures"] else "amd64"
    labels = {
        "kubernetes.io/arch": arch,
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": facts.name,
        "node.kubernetes.io/instance-type": kind["InstanceType"],
        "topology.kubernetes.io/region": facts.zone[:-1],
        "topology.kubernetes.io/zone": facts.zone,
        "eks.amazonaws.com/nodegroup": group["nodegroupName"],
        "eks.amazonaws.com/nodegroup-image": group["amiType"],
        "eks.amazonaws.com/capacityType": group["capacityType"],
        **group["labels"],
        KWOK_LABEL: "fake",
    }
    taints = [
        {"key": taint["key"], "value": taint.get("value", ""), "effect": EFFECTS[taint["effect"]]}
        for taint in group["taints"]
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": labels, "annotations": {KWOK_LABEL: "fake"}},
        "spec": {
            "providerID": provider_id(facts.zone, facts.instance_id),
            "taints": taints,
            **({"podCIDR": facts.pods, "podCIDRs": [facts.pods]} if facts.pods else {}),
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": facts.address},
                {"type": "InternalDNS", "address": facts.name},
                {"type": "Hostname", "address": facts.name},
            ],
            "capacity": capacity(kind),
            "allocatable": allocatable(kind),
            "nodeInfo": {
                **dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "kubeProxyVersion"), ""),
                "architecture": arch,
                "operatingSystem": "linux",
                "osImage": "Amazon Linux 2023",
                "containerRuntimeVersion": "containerd://2.1.0",
                "kubeletVersion": f"v{group['version']}.0-eks",
            },
        },
    }


def provider_id(zone: str, instance_id: str) -> str:
    """How a node names its instance."""
    return f"aws:///{zone}/{instance_id}"


def capacity(kind: Mapping[str, Any]) -> dict[str, str]:
    """What a node of an instance type has."""
    gpus = sum(each["Count"] for each in kind.get("GpuInfo", {}).get("Gpus", ()))
    held = {
        "cpu": str(kind["VCpuInfo"]["DefaultVCpus"]),
        "memory": f"{kind['MemoryInfo']['SizeInMiB']}Mi",
        "pods": str(pods(kind)),
        "ephemeral-storage": "100Gi",
    }
    return held | ({"nvidia.com/gpu": str(gpus)} if gpus else {})


def allocatable(kind: Mapping[str, Any]) -> dict[str, str]:
    """What is left for pods."""
    cpus, kept = kind["VCpuInfo"]["DefaultVCpus"], 0.0
    left = cpus
    for count, share in CPU_SHARES:
        kept += min(left, count) * share
        left -= min(left, count)
    kept += left * 2.5
    memory = kind["MemoryInfo"]["SizeInMiB"] - MEMORY_BASE_MIB - MEMORY_POD_MIB * pods(kind) - EVICTION_MIB
    return capacity(kind) | {"cpu": f"{cpus * 1000 - round(kept)}m", "memory": f"{memory}Mi"}


def pods(kind: Mapping[str, Any]) -> int:
    """How many pods: addresses of its interfaces, and never more than is good for it (EKS user guide, max pods)."""
    network = kind["NetworkInfo"]
    addresses = network["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2
    most = MOST_PODS if kind["VCpuInfo"]["DefaultVCpus"] <= LARGE_CPUS else MOST_PODS_LARGE
    return int(min(addresses, most))


def pod_block(subnet: str, used: Collection[str]) -> str:
    """A block of a subnet that no node's pods have yet; empty where there is none.

    Args:
        subnet: The subnet's block.
        used: Those that are taken.
    """
    network = ipaddress.IPv4Network(subnet)
    size = min(max(network.prefixlen + POD_BLOCKS.bit_length() - 1, 24), 30)
    # The first block is left to instances.
    blocks = list(network.subnets(new_prefix=size))[1:] if size > network.prefixlen else []
    return next((str(block) for block in blocks if str(block) not in used), "")
