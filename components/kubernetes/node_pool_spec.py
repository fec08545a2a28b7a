"""Karpenter's GPU nodes as objects: capacity that is reserved first, then on demand. Pure.

The floor stays in the node group, so that a tier's nodes need no controller to be there; what a peak or a failover
takes beyond it, Karpenter makes, each as pods ask for it and in the zone they need it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.kubernetes.labels import metadata
from components.kubernetes.namespace_spec import GPU

NAME = "gpu"
CLASS_GROUP = "karpenter.k8s.aws"
IDLE = "15m"
"""As for the autoscaler: a GPU node takes minutes to bring back."""


@dataclass(frozen=True)
class NodePoolSpec:
    """What nodes are made; an id or name may be an Output.

    Args:
        instance_types: In no order: Karpenter takes the cheapest that has capacity, and reserved capacity before all.
        zones: Availability zones.
        gpus: The most GPUs that it may make.
        subnets: Private subnets, as `{"id": ...}` each.
        security_group_id: The cluster's own group.
        instance_profile: With the nodes' role.
        disk_gib: Root volume.
        device: The root volume's device name.
        labels: Labels of nodes.
        reserved: Tags of capacity reservations to use; empty uses none.
        tags: Tags of everything it makes.
    """

    instance_types: Sequence[str]
    zones: Sequence[str]
    gpus: int
    subnets: Any
    security_group_id: Any
    instance_profile: Any
    disk_gib: int
    device: str
    labels: Mapping[str, str] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def node_class(spec: NodePoolSpec) -> dict[str, Any]:
    """The EC2NodeClass: what a node is, as the node group's launch template has it."""
    volume = {"volumeSize": f"{spec.disk_gib}Gi", "volumeType": "gp3", "encrypted": True, "deleteOnTermination": True}
    return {
        "apiVersion": f"{CLASS_GROUP}/v1",
        "kind": "EC2NodeClass",
        "metadata": metadata(NAME),
        "spec": {
            # As EKS gives a new node of a group: the newest; for a type with GPUs the one with NVIDIA's driver.
            "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "instanceProfile": spec.instance_profile,
            "subnetSelectorTerms": spec.subnets,
            "securityGroupSelectorTerms": [{"id": spec.security_group_id}],
            **({"capacityReservationSelectorTerms": [{"tags": dict(spec.reserved)}]} if spec.reserved else {}),
            "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
            "blockDeviceMappings": [{"deviceName": spec.device, "ebs": volume}],
            "tags": dict(spec.tags),
        },
    }


def node_pool(spec: NodePoolSpec) -> dict[str, Any]:
    """The NodePool: which nodes, and how many."""
    bought = ["reserved", "on-demand"] if spec.reserved else ["on-demand"]
    required = {
        "karpenter.sh/capacity-type": bought,
        "node.kubernetes.io/instance-type": spec.instance_types,
        "topology.kubernetes.io/zone": spec.zones,
        "kubernetes.io/arch": ["amd64"],
    }
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": metadata(NAME),
        "spec": {
            "template": {
                "metadata": {"labels": {"pool": NAME, **spec.labels}},
                "spec": {
                    "nodeClassRef": {"group": CLASS_GROUP, "kind": "EC2NodeClass", "name": NAME},
                    "requirements": [
                        {"key": key, "operator": "In", "values": list(values)} for key, values in required.items()
                    ],
                    "taints": [{"key": GPU, "value": "present", "effect": "NoSchedule"}],
                },
            },
            "limits": {GPU: str(spec.gpus)},
            # Models are loaded for minutes: a node that serves is not replaced by a cheaper one.
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": IDLE},
        },
    }
