"""What runs in each zone of a region's cluster, and what a drill of a zone has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dr.clusters.api_client import ClusterApi
from dr.clusters.pod_failures import ready
from dr.operations.capacity_steps import DEPLOYMENT
from dr.preflight.running_nodes import GPU
from dr.topology.serving import NAMESPACE

ZONE = "topology.kubernetes.io/zone"
Thing = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """What runs in the zones of a cluster.

    Args:
        wanted: Replicas that the Deployment is to run.
        waiting: Replicas that no node holds.
        replicas: Ready replicas by zone.
        nodes: Ready GPU nodes by zone.
    """

    wanted: int
    waiting: int
    replicas: Mapping[str, int]
    nodes: Mapping[str, int]

    @property
    def ready(self) -> int:
        """Ready replicas."""
        return sum(self.replicas.values())

    @property
    def complete(self) -> bool:
        """Whether all replicas are ready."""
        return self.ready >= self.wanted and not self.waiting

    @property
    def fullest(self) -> str:
        """The zone with the most ready replicas; of several the first by name; "" without one."""
        return min(self.replicas, key=lambda zone: (-self.replicas[zone], zone), default="")

    def __str__(self) -> str:
        where = ", ".join(f"{count} in {zone}" for zone, count in sorted(self.replicas.items()))
        return f"{self.ready} of {self.wanted} replicas ready ({where or 'none'})"


@dataclass
class Zones:
    """What a drill of a zone has seen.

    Args:
        zone: The zone that is lost.
        before: What ran before.
    """

    zone: str
    before: Spread
    lost: Spread | None = None
    """What ran without the zone, once all replicas were ready or the time was over; None if it was not read."""
    after: Spread | None = None
    """What ran at the end; None if it was not read."""
    incident: str | None = None
    """ID of an incident that was open at the end; "" without one, None if it was not read."""
    impaired: tuple[str, datetime] | None = None
    """State of the alarm `region-impaired` at the end, and since when; None if it was not read."""

    @property
    def replaced(self) -> bool:
        """Whether all replicas were ready without the zone."""
        return self.lost is not None and self.lost.complete and self.zone not in self.lost.nodes

    @property
    def returned(self) -> bool:
        """Whether the zone had a node at the end, and all replicas were ready."""
        return self.after is not None and self.after.complete and self.zone in self.after.nodes


def read(api: ClusterApi) -> Spread:
    """Read what runs in the zones of a cluster. Raises as `ClusterApi.get`."""
    deployment = api.get(DEPLOYMENT)
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    pods = api.get(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=selector)["items"]
    nodes = api.get("/api/v1/nodes", labelSelector=f"pool={GPU}")["items"]
    return spread(int(deployment["spec"].get("replicas") or 0), pods, nodes)


def spread(wanted: int, pods: Iterable[Thing], nodes: Iterable[Thing]) -> Spread:
    """Return what runs in each zone. Pure.

    Args:
        wanted: Replicas that the Deployment is to run.
        pods: Its pods.
        nodes: GPU nodes.
    """
    listed, zone_of = list(nodes), dict[str, str]()
    for node in listed:
        zone_of[node["metadata"]["name"]] = node["metadata"]["labels"].get(ZONE, "")
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    placed = [(pod, zone_of.get(pod["spec"].get("nodeName", ""), "")) for pod in living]
    return Spread(
        wanted,
        sum(not pod["spec"].get("nodeName") for pod in living),
        Counter(zone for pod, zone in placed if zone and ready(pod)),
        Counter(zone_of[node["metadata"]["name"]] for node in listed if ready(node)),
    )
