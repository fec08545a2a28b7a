"""Placement of pods on nodes, as the autoscaler simulates it: labels, taints, resources and spread over zones. Pure.

Only topology spread constraints on zones with `DoNotSchedule` count. A constraint's domains are the zones of the nodes
that the pod selects and, with `nodeTaintsPolicy: Honor`, whose taints it tolerates (Kubernetes documentation, "Pod
Topology Spread Constraints").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity
from moto.ec2.models.instance_types import INSTANCE_TYPES

from sandbox.clusters.api import Thing
from sandbox.clusters.node_objects import EFFECTS, allocatable

COUNTED = ("cpu", "memory", "nvidia.com/gpu")
ZONE = "topology.kubernetes.io/zone"
BLOCKING = ("NoSchedule", "NoExecute")
NEARLY = 1e-9
"""Tolerance that lets three thirds fill a node despite rounding."""


@dataclass
class Spot:
    """A node, real or simulated.

    Args:
        group: Its node group, as in DescribeNodegroup.
        labels: Its labels.
        taints: Its taints, as in a Node object.
        free: Share of the node that is free: 1 is the whole node.
        pods: Pods on it.
    """

    group: Mapping[str, Any]
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, str]]
    free: float = 1.0
    pods: list[Thing] = field(default_factory=list)

    def takes(self, pod: Thing) -> bool:
        """Return whether the pod fits by labels, taints and resources."""
        needed = share(pod, self.group)
        return needed is not None and self.free >= needed - NEARLY and _selected(pod, self) and _admitted(pod, self)

    def copy(self) -> Spot:
        """Return a copy that takes pods of its own; the pods themselves are shared."""
        return replace(self, pods=list(self.pods))

    def add(self, pod: Thing) -> None:
        """Put a pod on the node."""
        self.free -= share(pod, self.group) or 0.0
        self.pods.append(pod)


def template(group: Mapping[str, Any], zone: str) -> Spot:
    """Return a simulated empty node of a group in a zone."""
    taints = [
        {"key": taint["key"], "value": taint.get("value", ""), "effect": EFFECTS[taint["effect"]]}
        for taint in group["taints"]
    ]
    return Spot(group, {**group["labels"], ZONE: zone}, taints)


def share(pod: Thing, group: Mapping[str, Any]) -> float | None:
    """Return the share of a group's node that a pod needs: 1 is a whole node; None if the pod does not fit."""
    spec = pod["spec"]
    if any(group["labels"].get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return None
    if any(not _tolerated(taint, spec.get("tolerations", ())) for taint in template(group, "").taints):
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


def fits(pod: Thing, spot: Spot, spots: Iterable[Spot]) -> bool:
    """Return whether a pod fits on a node.

    Args:
        pod: The pod.
        spot: The node.
        spots: All nodes of the cluster, this one included.
    """
    if not spot.takes(pod):
        return False
    known = list(spots)
    return all(_balanced(pod, spot, known, each) for each in _constraints(pod))


def place(pods: Iterable[Thing], spots: Sequence[Spot], onto: Sequence[Spot]) -> list[Thing]:
    """Put pods on nodes where they fit, and return the others.

    Args:
        pods: The pods.
        spots: All nodes of the cluster.
        onto: Those of them that may take a pod, in order of preference.
    """
    left = []
    for pod in pods:
        if spot := next((each for each in onto if fits(pod, each, spots)), None):
            spot.add(pod)
        else:
            left.append(pod)
    return left


def _constraints(pod: Thing) -> Iterator[Mapping[str, Any]]:
    for each in pod["spec"].get("topologySpreadConstraints", ()):
        if each["topologyKey"] == ZONE and each["whenUnsatisfiable"] == "DoNotSchedule":
            yield each


def _balanced(pod: Thing, spot: Spot, spots: Sequence[Spot], constraint: Mapping[str, Any]) -> bool:
    honor = constraint.get("nodeTaintsPolicy") == "Honor"
    domains = [each for each in spots if _selected(pod, each) and (not honor or _admitted(pod, each))]
    held = Counter({each.labels[ZONE]: 0 for each in domains if ZONE in each.labels})
    wanted: Any = constraint.get("labelSelector", {}).get("matchLabels", {}).items()
    for each in domains:
        for other in each.pods:
            about = other["metadata"]
            same = about.get("namespace") == pod["metadata"].get("namespace")
            if same and wanted <= about.get("labels", {}).items() and "deletionTimestamp" not in about:
                held[each.labels[ZONE]] += 1
    zone = spot.labels.get(ZONE, "")
    return bool(held[zone] + 1 - min(held.values(), default=0) <= int(constraint["maxSkew"]))


def _selected(pod: Thing, spot: Spot) -> bool:
    return bool(pod["spec"].get("nodeSelector", {}).items() <= spot.labels.items())


def _admitted(pod: Thing, spot: Spot) -> bool:
    tolerations = pod["spec"].get("tolerations", ())
    return all(_tolerated(taint, tolerations) for taint in spot.taints if taint["effect"] in BLOCKING)


def _quantity(value: str | int) -> Decimal:
    return parse_quantity(value)  # type: ignore[no-any-return]


def _tolerated(taint: Mapping[str, str], tolerations: Any) -> bool:
    return any(
        each.get("key") in (None, taint["key"])
        and each.get("effect") in (None, "", taint["effect"])
        and (each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", ""))
        for each in tolerations
    )
