"""Growth of node groups for replicas that are spread over zones with maxSkew 1, without a cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandbox.clusters.api import Watched
from sandbox.clusters.autoscaler import Autoscaler, Group, growth
from sandbox.clusters.placement import ZONE, Spot, place, template
from sandbox.clusters.scaling import Scaling

ZONES = ("a", "b", "c")
SPREAD = {
    "maxSkew": 1,
    "topologyKey": ZONE,
    "whenUnsatisfiable": "DoNotSchedule",
    "nodeTaintsPolicy": "Honor",
    "labelSelector": {"matchLabels": {"app": "inference"}},
}
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
LOST = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule", "value": ""}


def replica(name: str, gpus: int = 1) -> dict[str, Any]:
    requests = {"nvidia.com/gpu": str(gpus)}
    return {
        "metadata": {"name": name, "namespace": "ml-serving", "labels": {"app": "inference"}},
        "spec": {
            "containers": [{"resources": {"requests": requests}}],
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [TOLERATION],
            "topologySpreadConstraints": [SPREAD],
        },
        "status": {},
    }


def about(name: str, instance_type: str = "g5.2xlarge") -> dict[str, Any]:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
    return {"nodegroupName": name, "instanceTypes": [instance_type], "labels": {"pool": "gpu"}, "taints": [taint]}


@dataclass
class Cluster:
    """A cluster's GPU groups and nodes; each new node starts at once.

    Args:
        groups: Groups by name, each with the zones that its Auto Scaling group balances.
        most: Maximum size of each group.
        lost: Zones in which no instance starts.
    """

    groups: dict[str, tuple[str, ...]]
    most: int
    lost: tuple[str, ...] = ()
    spots: list[Spot] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def start(self, name: str) -> None:
        zones = [zone for zone in self.groups[name] if zone not in self.lost]
        held = [spot.labels[ZONE] for spot in self.spots if spot.group["nodegroupName"] == name]
        chosen = min(zones, key=lambda zone: held.count(zone), default=None)
        if chosen is None:
            self.failed.add(name)
        else:
            self.spots.append(template(about(name), chosen))

    def lose(self, zone: str) -> None:
        """Lose the nodes of a zone, with their pods."""
        self.lost = (*self.lost, zone)
        self.spots = [spot for spot in self.spots if spot.labels[ZONE] != zone]

    def scan(self, waiting: list[dict[str, Any]]) -> bool:
        """Grow groups as one scan does, start their nodes, and return whether a group grew."""
        groups = []
        for name, zones in self.groups.items():
            mine = [spot for spot in self.spots if spot.group["nodegroupName"] == name]
            zone = mine[0].labels[ZONE] if mine else zones[0]
            groups.append(Group(about(name), zone, len(mine), self.most, failed=name in self.failed))
        sizes = growth(groups, self.spots, waiting)
        for group in groups:
            for _ in range(sizes.get(group.about["nodegroupName"], group.desired) - group.desired):
                self.start(group.about["nodegroupName"])
        return bool(sizes)

    def scale(self, replicas: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Scan until nothing grows, and return the replicas that wait."""
        waiting = place(replicas, self.spots, self.spots)
        while waiting and self.scan(waiting):
            waiting = place(waiting, self.spots, self.spots)
        return waiting

    @property
    def by_zone(self) -> dict[str, int]:
        return dict(Counter(spot.labels[ZONE] for spot in self.spots for _ in spot.pods))


def replicas(first: int, last: int) -> list[dict[str, Any]]:
    return [replica(f"inference-{number}") for number in range(first, last)]


def one_group() -> Cluster:
    return Cluster({"gpu": ZONES}, 10)


def group_in_each_zone() -> Cluster:
    return Cluster({f"gpu-{zone}": (zone,) for zone in ZONES}, 5)


def three_replicas(cluster: Cluster) -> Cluster:
    """Run a replica in each zone."""
    for name, zones in cluster.groups.items():
        for _ in zones:
            cluster.start(name)
    assert cluster.scale(replicas(0, 3)) == []
    assert cluster.by_zone == {"a": 1, "b": 1, "c": 1}
    return cluster


def test_one_group_over_three_zones_stops_growing_when_the_zone_it_is_known_by_is_the_fullest() -> None:
    cluster = three_replicas(one_group())

    assert len(cluster.scale(replicas(3, 10))) == 6
    assert cluster.by_zone == {"a": 2, "b": 1, "c": 1}


def test_a_group_in_each_zone_grows_from_three_to_ten_replicas() -> None:
    cluster = three_replicas(group_in_each_zone())

    assert cluster.scale(replicas(3, 10)) == []
    assert sorted(cluster.by_zone.values()) == [3, 3, 4]


@pytest.mark.parametrize("zone", ZONES)
def test_a_group_in_each_zone_grows_to_ten_replicas_while_a_zone_is_lost(zone: str) -> None:
    cluster = three_replicas(group_in_each_zone())
    cluster.lose(zone)

    assert cluster.scale([*replicas(3, 10), replica("inference-again")]) == []
    assert sorted(cluster.by_zone.values()) == [5, 5]


def test_one_group_over_three_zones_does_not_grow_to_ten_replicas_while_a_zone_is_lost() -> None:
    cluster = three_replicas(one_group())
    cluster.lose("a")

    assert len(cluster.scale([*replicas(3, 10), replica("inference-again")])) == 7
    assert cluster.by_zone == {"b": 2, "c": 1}


def test_similar_groups_grow_evenly_for_pods_that_any_zone_takes() -> None:
    groups = [Group(about(f"gpu-{zone}"), zone, 0, 5) for zone in ZONES]
    jobs = [replica(f"job-{number}") for number in range(5)]
    for each in jobs:
        each["spec"].pop("topologySpreadConstraints")

    assert growth(groups, [], jobs) == {"gpu-a": 2, "gpu-b": 2, "gpu-c": 1}


def test_pods_wait_for_nodes_that_a_group_lacks_only_while_they_are_expected() -> None:
    missing = Group(about("gpu-a"), "a", 1, 1, lacking=1)
    other = Group(about("gpu-b"), "b", 0, 5)
    assert growth([missing, other], [], replicas(0, 1)) == {}

    missing.expected = False
    assert growth([missing, other], [], replicas(0, 1)) == {"gpu-b": 1}


def test_a_group_with_a_failed_launch_does_not_grow() -> None:
    assert growth([Group(about("gpu-a"), "a", 0, 5, failed=True)], [], replicas(0, 1)) == {}


def test_no_group_grows_beyond_its_maximum_or_for_a_pod_that_no_node_takes() -> None:
    assert growth([Group(about("gpu-a"), "a", 5, 5)], [], replicas(0, 1)) == {}
    assert growth([Group(about("gpu-a"), "a", 0, 5)], [], [replica("large", gpus=2)]) == {}


def test_nodes_with_a_taint_that_the_pod_does_not_tolerate_are_no_zone_of_the_spread() -> None:
    node, lost = template(about("gpu-b"), "b"), template(about("gpu-a"), "a")
    lost.taints = [*lost.taints, LOST]
    more = template(about("gpu-b"), "b")

    assert place(replicas(0, 2), [node, more, lost], [node, more]) == []


# A cluster whose nodes start ------------------------------------------------------------------------------------


@dataclass
class Starting:
    """A group of one node, whose node registers before it is ready, and a replica that waits for it."""

    ready: bool = False
    taints: list[dict[str, str]] = field(default_factory=list)
    grown: list[int] = field(default_factory=list)
    group: Any = field(
        default_factory=lambda: SimpleNamespace(
            desired_capacity=1, min_size=1, max_size=4, availability_zones=["a"], instance_states=[]
        )
    )

    def groups(self) -> list[tuple[dict[str, Any], Any]]:
        return [(about("gpu-a"), self.group)]

    def launch_failed(self, scaled: Any) -> bool:
        return False

    def grow(self, scaled: Any, size: int) -> None:
        self.grown.append(size)

    def nodes(self) -> list[dict[str, Any]]:
        labels = {"eks.amazonaws.com/nodegroup": "gpu-a", ZONE: "a", "pool": "gpu"}
        status = {"conditions": [{"type": "Ready", "status": "True" if self.ready else "False"}]}
        return [{"metadata": {"name": "n0", "labels": labels}, "spec": {"taints": self.taints}, "status": status}]

    def pods(self) -> list[dict[str, Any]]:
        waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        return [{**replica("r0"), "status": {"conditions": [waits]}}]


def autoscaler_of(cluster: Starting) -> Autoscaler:
    nodes, pods = (cast(Watched, SimpleNamespace(all=each)) for each in (cluster.nodes, cluster.pods))
    return Autoscaler(cast(Scaling, cluster), nodes, pods, speed=1e9)


def test_node_that_has_never_been_ready_is_expected_and_one_that_was_ready_is_not() -> None:
    cluster = Starting()
    autoscaler = autoscaler_of(cluster)

    autoscaler.step()
    assert cluster.grown == [], "the node that starts takes the replica"
    cluster.ready = True
    autoscaler.step()
    cluster.ready = False
    cluster.grown.clear()
    autoscaler.step()
    assert cluster.grown == [2], "a node that failed does not take it"


def test_node_that_reported_ready_is_expected_until_the_node_controller_removes_its_taint() -> None:
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    cluster = Starting(ready=True, taints=[taint])
    autoscaler = autoscaler_of(cluster)

    autoscaler.step()
    assert cluster.grown == [], "the replica waits for the node that it cannot use yet"
    cluster.taints.clear()
    autoscaler.step()
    assert cluster.grown == [], "the replica goes to the node"
