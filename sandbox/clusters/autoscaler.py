"""Cluster autoscaler: scales node groups up for unschedulable pods, and down by idle nodes.

Like cluster-autoscaler, it scans every 10 s and places the waiting pods on simulated new nodes of each group. A group's
new nodes are all assumed to be in one zone: that of one of its nodes, or the first of its Auto Scaling group's zones if
it has none (its `MixedTemplateNodeInfoProvider`, and `getAsgTemplate` of its AWS provider). So a group over several
zones does not grow for a pod that must run in another zone. A scan grows one group, or several similar ones that are
balanced (`--balance-similar-node-groups`).

Pods wait for the nodes that a group lacks until `--max-node-provision-time`. A node that has never been ready is one of
them (its `GetUpcomingNodes`). A node is not ready while it has a taint that the node controller removes after the
kubelet reported (its `GetReadinessState`). A group in which a launch failed since it grew is not grown for five
minutes, and its missing nodes above the minimum are given up.

A node with only DaemonSet pods for 10 minutes is removed, down to the group's minimum (cluster-autoscaler FAQ).

Simplified: affinity and the share of unready nodes are ignored, and underused nodes stay.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox import timings
from sandbox.aws.extensions.eks_nodes import NodeScalingGroup
from sandbox.clusters.api import Thing, Watched
from sandbox.clusters.placement import ZONE, Spot, fits, place, template
from sandbox.clusters.scaling import Scaling

NOT_READY = frozenset(f"node.kubernetes.io/{state}" for state in ("not-ready", "disk-pressure", "network-unavailable"))
"""Keys of taints with which cluster-autoscaler takes a node for unready, whatever its conditions say."""


def unschedulable(pod: Thing) -> bool:
    """Return whether the scheduler reports a pod as unschedulable."""
    conditions = pod["status"].get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(
        each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions
    )


@dataclass
class Group:
    """A node group that may grow.

    Args:
        about: The node group, as in DescribeNodegroup.
        zone: Zone that its new nodes are assumed to be in.
        desired: Desired size.
        most: Maximum size.
        least: Minimum size.
        lacking: Nodes that it lacks.
        failed: Whether a launch failed since it grew.
        expected: Whether pods wait for the nodes that it lacks.
    """

    about: dict[str, Any]
    zone: str
    desired: int
    most: int
    least: int = 0
    lacking: int = 0
    failed: bool = False
    expected: bool = True


@dataclass(frozen=True)
class Option:
    """Growth of a group.

    Args:
        group: The group.
        nodes: Number of new nodes.
        pods: Names of the pods that they take.
    """

    group: Group
    nodes: int
    pods: frozenset[str] = field(default_factory=frozenset)


def growth(groups: list[Group], spots: list[Spot], waiting: list[Thing]) -> dict[str, int]:
    """Return the new desired size of each group that a scan grows, by name. Pure.

    Args:
        groups: The node groups.
        spots: The nodes with their pods.
        waiting: Unschedulable pods.
    """
    coming = [template(group.about, group.zone) for group in groups if group.expected for _ in range(group.lacking)]
    known = [*(spot.copy() for spot in spots), *coming]
    left = place(waiting, known, known)
    options = [_option(group, known, left) for group in groups if not group.failed]
    options = [each for each in options if each.nodes]
    if not options:
        return {}
    best = min(options, key=lambda each: (-len(each.pods), each.group.desired))
    similar = [
        each.group
        for each in options
        if each.group.about["labels"] == best.group.about["labels"] and each.pods >= best.pods
    ]
    sizes = {each.about["nodegroupName"]: each.desired for each in similar}
    for _ in range(best.nodes):
        room = [each for each in similar if sizes[each.about["nodegroupName"]] < each.most]
        chosen = min(room, key=lambda each: sizes[each.about["nodegroupName"]])
        sizes[chosen.about["nodegroupName"]] += 1
    return {
        each.about["nodegroupName"]: size
        for each in similar
        if (size := sizes[each.about["nodegroupName"]]) > each.desired
    }


def _option(group: Group, known: list[Spot], waiting: list[Thing]) -> Option:
    """Place pods on new nodes of a group only: the other nodes could not take them."""
    spots, new, taken = [spot.copy() for spot in known], list[Spot](), set[str]()
    for pod in waiting:
        spot = next((each for each in new if fits(pod, each, spots)), None)
        if spot is None and group.desired + len(new) < group.most:
            one = template(group.about, group.zone)
            if fits(pod, one, [*spots, one]):
                spot = one
                spots.append(one)
                new.append(one)
        if spot:
            spot.add(pod)
            taken.add(pod["metadata"]["name"])
    return Option(group, len(new), frozenset(taken))


class Autoscaler:
    """Autoscaler of one cluster's node groups.

    Args:
        scaling: Auto Scaling groups of the node groups.
        nodes: Nodes of the cluster.
        pods: Pods of the cluster.
        speed: Modelled seconds per real second.
    """

    def __init__(self, scaling: Scaling, nodes: Watched, pods: Watched, speed: float) -> None:
        self._scaling, self._nodes, self._pods, self._speed = scaling, nodes, pods, speed
        self._next = 0.0
        self._idle: dict[str, float] = {}
        self._zones: dict[str, str] = {}
        self._lacking_since: dict[str, float] = {}
        self._failed_at: dict[str, float] = {}
        self._started: set[str] = set()
        """Names of nodes that have been ready."""

    def step(self) -> None:
        """Scan, if a scan is due."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + timings.AUTOSCALER_SCAN.seconds / self._speed
        pods = self._pods.all()
        groups = [self._group(group, scaled, now) for group, scaled in self._scaling.groups() if group["instanceTypes"]]
        waiting = [pod for pod in pods if unschedulable(pod)]
        if waiting:
            sizes = growth(groups, list(self._spots(pods)), waiting)
            for group, scaled in self._scaling.groups():
                if size := sizes.get(group["nodegroupName"]):
                    self._failed_at.pop(group["nodegroupName"], None)
                    self._scaling.grow(scaled, size)
        else:
            self._shrink(pods, now)

    def _group(self, about: dict[str, Any], scaled: NodeScalingGroup, now: float) -> Group:
        """Return a group with its missing nodes; give up those above its minimum whose launch failed."""
        name, found = about["nodegroupName"], self._nodes_of(about)
        ready = [node for node in found if _ready(node)]
        self._started |= {node["metadata"]["name"] for node in ready}
        started = [node for node in found if node["metadata"]["name"] in self._started]
        if ready:
            self._zones[name] = ready[0]["metadata"]["labels"][ZONE]
        desired, least = scaled.desired_capacity or 0, scaled.min_size or 0
        if self._scaling.launch_failed(scaled):
            self._failed_at[name] = now
            if (fewer := max(least, len(found))) < desired:
                desired = fewer
                scaled.set_desired_capacity(desired)
        lacking = max(0, desired - len(started))
        since = self._lacking_since.setdefault(name, now)
        if not lacking:
            del self._lacking_since[name]
        failed = self._failed_at.get(name)
        return Group(
            about,
            self._zones.get(name) or str(scaled.availability_zones[0]),
            desired,
            scaled.max_size or 0,
            least,
            lacking,
            failed is not None and now - failed < timings.AUTOSCALER_BACKOFF.seconds / self._speed,
            now - since < timings.AUTOSCALER_PROVISION.seconds / self._speed,
        )

    def _nodes_of(self, group: dict[str, Any]) -> list[Thing]:
        return [
            node
            for node in sorted(self._nodes.all(), key=lambda each: str(each["metadata"]["name"]))
            if node["metadata"]["labels"].get("eks.amazonaws.com/nodegroup") == group["nodegroupName"]
        ]

    def _spots(self, pods: list[Thing]) -> Iterator[Spot]:
        """Yield the nodes of all groups with their pods; an unready or cordoned node takes no more."""
        for group, _ in self._scaling.groups():
            if not group["instanceTypes"]:
                continue
            for node in self._nodes_of(group):
                spec = node["spec"]
                usable = _ready(node) and not spec.get("unschedulable")
                spot = Spot(group, node["metadata"]["labels"], spec.get("taints", ()), 1.0 if usable else 0.0)
                for pod in pods:
                    ended = pod["status"].get("phase") in ("Succeeded", "Failed")
                    if pod["spec"].get("nodeName") == node["metadata"]["name"] and not ended:
                        spot.add(pod)
                yield spot

    def _shrink(self, pods: list[Thing], now: float) -> None:
        busy = {pod["spec"].get("nodeName") for pod in pods if not _daemon(pod)}
        for _, scaled in self._scaling.groups():
            running = [each for each in scaled.instance_states if each.lifecycle_state == "InService"]
            names = {each.instance.private_dns_name for each in running}
            for name in names:
                self._idle[name] = self._idle.get(name, now) if name not in busy else now
            idle = timings.AUTOSCALER_IDLE.seconds / self._speed
            rested = [each for each in running if now - self._idle[each.instance.private_dns_name] >= idle]
            if rested and (scaled.desired_capacity or 0) > (scaled.min_size or 0):
                self._scaling.retire(scaled, rested[0])


def _ready(node: Thing) -> bool:
    reported = any(
        each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions", ())
    )
    return reported and NOT_READY.isdisjoint(taint["key"] for taint in node["spec"].get("taints", ()))


def _daemon(pod: Thing) -> bool:
    return "DaemonSet" in {owner["kind"] for owner in pod["metadata"].get("ownerReferences", ())}
