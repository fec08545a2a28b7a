"""Karpenter's node class and node pool for GPU nodes: reserved capacity first, then On-Demand. Pure.

The floor stays in the node group, so that a tier's nodes do not depend on a controller. Karpenter adds nodes above the
floor for pending pods, in the zone that each pod needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.kubernetes.labels import metadata
from components.kubernetes.namespace_spec import GPU

NAME = "gpu"
CLASS_GROUP = "karpenter.k8s.aws"
DRAIN = "15m"
"""Longest drain of a node before its instance is terminated, as of EKS's node groups. Without a limit, a disruption
budget would block the deletion of the pool, and so a change to tier `backup` (Karpenter documentation, "Disruption",
`terminationGracePeriod`)."""
DELETION = {"pulumi.com/timeoutSeconds": "1800"}
"""Pulumi waits for the deletion of all instances, twice as long as a drain may take; its default is ten minutes."""
IDLE = "15m"
"""Idle time before a node is removed, as for the autoscaler: a GPU node takes minutes to come back."""


@dataclass(frozen=True)
class NodePoolSpec:
    """Specification of the nodes; IDs and names may be Outputs.

    Args:
        instance_types: Instance types in no order: Karpenter prefers reserved capacity, then the cheapest type.
        zones: Availability zones.
        gpus: Maximum number of GPUs.
        subnets: Private subnets, each as `{"id": ...}`.
        security_group_id: ID of the cluster's security group.
        instance_profile: Name of the instance profile with the nodes' role.
        disk_gib: Root volume in GiB.
        device: Device name of the root volume.
        labels: Labels of nodes.
        reserved: Tags of the capacity reservations to use; empty uses none.
        tags: Tags of everything that Karpenter creates.
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
    """Return the EC2NodeClass: properties of a node, as in the node group's launch template."""
    volume = {"volumeSize": f"{spec.disk_gib}Gi", "volumeType": "gp3", "encrypted": True, "deleteOnTermination": True}
    return {
        "apiVersion": f"{CLASS_GROUP}/v1",
        "kind": "EC2NodeClass",
        "metadata": metadata(NAME) | {"annotations": dict(DELETION)},
        "spec": {
            # The newest image, as EKS chooses for node groups; GPU types get the image with NVIDIA's driver.
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
    """Return the NodePool: which nodes, and how many GPUs at most."""
    capacity_types = ["reserved", "on-demand"] if spec.reserved else ["on-demand"]
    required = {
        "karpenter.sh/capacity-type": capacity_types,
        "node.kubernetes.io/instance-type": spec.instance_types,
        "topology.kubernetes.io/zone": spec.zones,
        "kubernetes.io/arch": ["amd64"],
    }
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": metadata(NAME) | {"annotations": dict(DELETION)},
        "spec": {
            "template": {
                "metadata": {"labels": {"pool": NAME, **spec.labels}},
                "spec": {
                    "nodeClassRef": {"group": CLASS_GROUP, "kind": "EC2NodeClass", "name": NAME},
                    "requirements": [
                        {"key": key, "operator": "In", "values": list(values)} for key, values in required.items()
                    ],
                    "taints": [{"key": GPU, "value": "present", "effect": "NoSchedule"}],
                    "terminationGracePeriod": DRAIN,
                },
            },
            "limits": {GPU: str(spec.gpus)},
            # Loading models takes minutes, so a serving node is not replaced by a cheaper one.
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": IDLE},
        },
    }
