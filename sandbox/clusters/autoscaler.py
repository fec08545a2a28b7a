"""Cluster autoscaler: scales node groups up for unschedulable pods, and down by idle nodes.

Like cluster-autoscaler, it scans every 10 s, computes the number of nodes that the pods need, and raises the desired
size of the node group up to its maximum. A node with only DaemonSet pods for 10 minutes is removed, down to the
group's minimum (cluster-autoscaler FAQ). Node labels, taints and resources decide whether a pod fits a group.

Simplified: topology spread and affinity are ignored, underused nodes stay, and the groups replace dead nodes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity
from moto.ec2.models.instance_types import INSTANCE_TYPES

from sandbox import timings
from sandbox.clusters.api import Thing, Watched
from sandbox.clusters.node_objects import EFFECTS, allocatable
from sandbox.clusters.scaling import Scaling

COUNTED = ("cpu", "memory", "nvidia.com/gpu")


def unschedulable(pod: Thing) -> bool:
    """Return whether the scheduler reports a pod as unschedulable."""
    conditions = pod["status"].get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(
        each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions
    )


def share(pod: Thing, group: Mapping[str, Any]) -> float | None:
    """Return the share of a group's node that a pod needs: 1 is a whole node; None if the pod does not fit."""
    spec = pod["spec"]
    if any(group["labels"].get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return None
    if any(not _tolerated(taint, spec.get("tolerations", ())) for taint in group["taints"]):
        return None
    room = allocatable(INSTANCE_TYPES[group["instanceTypes"][0]])
    shares = []
    for name in COUNTED:
        requested = sum(
            _quantity(each.get("resources", {}).get("requests", {}).get(name, 0)) for each in spec["containers"]
        )
        if requested:
            available = _quantity(room.get(name, 0))
            if not available or requested > available:
                return None
            shares.append(float(requested / available))
    return max(shares, default=0.01)


def _quantity(value: str | int) -> Decimal:
    return parse_quantity(value)  # type: ignore[no-any-return]


def more_nodes(shares: list[float], room: list[float]) -> int:
    """Return the number of additional nodes needed, by first-fit decreasing.

    Args:
        shares: Share of a node that each pod needs.
        room: Free share of each existing node.
    """
    left = list(room)
    for each in sorted(shares, reverse=True):
        # The tolerance of 1e-9 lets three thirds fill a node despite rounding.
        at = next((index for index, free in enumerate(left) if free >= each - 1e-9), None)
        if at is None:
            left.append(1.0 - each)
        else:
            left[at] -= each
    return len(left) - len(room)


def _tolerated(taint: Mapping[str, str], tolerations: Any) -> bool:
    return any(
        each.get("key") in (None, taint["key"])
        and each.get("effect") in (None, "", EFFECTS[taint["effect"]])
        and (each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", ""))
        for each in tolerations
    )


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

    def step(self) -> None:
        """Scan, if a scan is due."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + timings.AUTOSCALER_SCAN.seconds / self._speed
        pods = self._pods.all()
        waiting = [pod for pod in pods if unschedulable(pod)]
        if waiting:
            self._grow(pods, waiting)
        else:
            self._shrink(pods, now)

    def _grow(self, pods: list[Thing], waiting: list[Thing]) -> None:
        for group, scaled in self._scaling.groups():
            if not group["instanceTypes"]:
                continue
            room = self._room(group, pods)
            coming = max(0, (scaled.desired_capacity or 0) - len(room))
            shares = [(pod, share(pod, group)) for pod in waiting]
            needed = more_nodes([each for _, each in shares if each is not None], room)
            waiting = [pod for pod, each in shares if each is None]
            goal = min((scaled.desired_capacity or 0) + needed - coming, scaled.max_size or 0)
            if needed > coming and goal > (scaled.desired_capacity or 0):
                scaled.set_desired_capacity(goal)

    def _room(self, group: Mapping[str, Any], pods: list[Thing]) -> list[float]:
        """Return the free share of each ready node of a group; 0 for a cordoned node."""
        room = {
            node["metadata"]["name"]: 0.0 if node["spec"].get("unschedulable") else 1.0
            for node in self._nodes.all()
            if node["metadata"]["labels"].get("eks.amazonaws.com/nodegroup") == group["nodegroupName"]
            and any(
                each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions", ())
            )
        }
        for pod in pods:
            if (name := pod["spec"].get("nodeName")) in room:
                room[name] -= share(pod, group) or 0.0
        return list(room.values())

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


def _daemon(pod: Thing) -> bool:
    return "DaemonSet" in {owner["kind"] for owner in pod["metadata"].get("ownerReferences", ())}
