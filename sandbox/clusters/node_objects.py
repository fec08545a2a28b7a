"""Node objects, as the EKS node image registers them. Pure.

Sources of labels: Kubernetes documentation, "Well-known labels", and EKS user guide, "Managed node groups". Source of
reserved resources: awslabs/amazon-eks-ami, nodeadm, internal/kubelet (CPU, memory, and an eviction threshold of
100 MiB). GPUs are registered at once, as if NVIDIA's device plugin were already running.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

KWOK_LABEL = "kwok.x-k8s.io/node"
"""Label of nodes for which kwok acts as the kubelet. A node without it is dead: its lease is not renewed."""
EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
CPU_SHARES = ((1, 60), (1, 10), (2, 5))
"""Number of CPUs and millicores reserved of each; 2.5 millicores of each further CPU."""
MEMORY_BASE_MIB, MEMORY_POD_MIB, EVICTION_MIB = 255, 11, 100
MOST_PODS, MOST_PODS_LARGE, LARGE_CPUS = 110, 250, 30
POD_BLOCKS = 8
"""Number of CIDR blocks for pods that a subnet is divided into; a block has at most 256 addresses."""


@dataclass(frozen=True)
class NodeFacts:
    """Properties of an instance that joins a cluster as a node.

    Args:
        name: Private DNS name of the instance.
        instance_id: ID of the instance.
        address: Private IP address of the instance.
        zone: Availability zone.
        type: Instance type, as in DescribeInstanceTypes.
        pods: CIDR block for the node's pods; "" if the subnet has none left.
        group: Node group, as in DescribeNodegroup.
    """

    name: str
    instance_id: str
    address: str
    zone: str
    type: Mapping[str, Any]
    pods: str
    group: Mapping[str, Any]


def node(facts: NodeFacts) -> dict[str, Any]:
    """Return the Node object of an instance."""
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
    """Return the provider ID with which a node refers to its instance."""
    return f"aws:///{zone}/{instance_id}"


def capacity(kind: Mapping[str, Any]) -> dict[str, str]:
    """Return the total resources of a node with an instance type."""
    gpus = sum(each["Count"] for each in kind.get("GpuInfo", {}).get("Gpus", ()))
    held = {
        "cpu": str(kind["VCpuInfo"]["DefaultVCpus"]),
        "memory": f"{kind['MemoryInfo']['SizeInMiB']}Mi",
        "pods": str(pods(kind)),
        "ephemeral-storage": "100Gi",
    }
    return held | ({"nvidia.com/gpu": str(gpus)} if gpus else {})


def allocatable(kind: Mapping[str, Any]) -> dict[str, str]:
    """Return the resources that pods can use on a node with an instance type."""
    cpus, kept = kind["VCpuInfo"]["DefaultVCpus"], 0.0
    left = cpus
    for count, share in CPU_SHARES:
        kept += min(left, count) * share
        left -= min(left, count)
    kept += left * 2.5
    memory = kind["MemoryInfo"]["SizeInMiB"] - MEMORY_BASE_MIB - MEMORY_POD_MIB * pods(kind) - EVICTION_MIB
    return capacity(kind) | {"cpu": f"{cpus * 1000 - round(kept)}m", "memory": f"{memory}Mi"}


def pods(kind: Mapping[str, Any]) -> int:
    """Return the maximum number of pods: the interfaces' addresses, up to EKS's limit (EKS user guide, max pods)."""
    network = kind["NetworkInfo"]
    addresses = network["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2
    most = MOST_PODS if kind["VCpuInfo"]["DefaultVCpus"] <= LARGE_CPUS else MOST_PODS_LARGE
    return int(min(addresses, most))


def pod_block(subnet: str, used: Collection[str]) -> str:
    """Return a free CIDR block for pods in a subnet; "" if there is none.

    Args:
        subnet: CIDR block of the subnet.
        used: CIDR blocks in use.
    """
    network = ipaddress.IPv4Network(subnet)
    size = min(max(network.prefixlen + POD_BLOCKS.bit_length() - 1, 24), 30)
    # The first block is for instances.
    blocks = list(network.subnets(new_prefix=size))[1:] if size > network.prefixlen else []
    return next((str(block) for block in blocks if str(block) not in used), "")
