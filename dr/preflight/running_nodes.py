"""GPU nodes that run now: a deployment keeps those that an autoscaler added.

A node group's minimum is the floor of its tier, and its size is the autoscaler's. EKS refuses a minimum above the size,
so a deployment sets both, the size to what runs (EKS API, NodegroupScalingConfig). Only a deployment sets the minimum:
a size above it was raised by the autoscaler, which lowers it again. A size equal to it belongs to the tier and changes
with it. A tier that runs no replica removes all nodes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import Failed
from dr.topology.capacity import Capacity

POOL = {"pool": "gpu"}
"""The label of GPU node groups."""


@dataclass(frozen=True)
class Running:
    """A node group as it is.

    Args:
        floor: Its minimum: the floor of the last deployment.
        nodes: Nodes it is to have now.
    """

    floor: int
    nodes: int


def wanted(capacity: Capacity, cluster: str, workload: str, region: str) -> tuple[int, list[str]]:
    """How many GPU nodes to deploy with.

    Args:
        capacity: The region's floor and its most.
        cluster: Name of the cluster, which need not exist.
        workload: Whose node groups: the tag `workload`.
        region: The region.

    Returns:
        The number, and warnings: what could not be asked is unknown, and the floor is deployed.
    """
    try:
        found = find(cluster, workload, region)
    except Failed as error:
        fact = f"unknown, {error.problems[0].fact}; the floor, {capacity.nodes}, is deployed, and more may run"
        return capacity.nodes, [f"GPU nodes of {cluster} in {region}: {fact}"]
    return kept(capacity, found), []


def kept(capacity: Capacity, found: Running | None) -> int:
    """The size to deploy with, from the floor and what runs. Pure."""
    raised = found is not None and found.nodes > found.floor
    if not capacity.nodes or found is None or not raised:
        return capacity.nodes
    return min(max(capacity.nodes, found.nodes), capacity.max_nodes)


def find(cluster: str, workload: str, region: str) -> Running | None:
    """Look the GPU node group up; None without one. Of several, which a replacement leaves, the largest.

    Raises:
        Failed: EKS or Auto Scaling refused.
        Unreachable: the region does not answer.
    """
    eks = client("eks", region)
    try:
        with calls(f"node groups of {cluster}", region):
            names = [name for page in _pages(eks, cluster) for name in page["nodegroups"]]
            with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
                groups = list(pool.map(lambda name: _describe(eks, cluster, name), names))
            ours = [
                scaling["name"]
                for group in groups
                if POOL.items() <= group.get("labels", {}).items() and group.get("tags", {}).get("workload") == workload
                for scaling in group.get("resources", {}).get("autoScalingGroups", ())
            ]
            if not ours:
                return None
            # EKS's own number is out of date for a while after the autoscaler changed it.
            scaled = client("autoscaling", region).describe_auto_scaling_groups(AutoScalingGroupNames=ours)
    except Missing:
        return None
    sizes = [Running(each["MinSize"], each["DesiredCapacity"]) for each in scaled["AutoScalingGroups"]]
    return max(sizes, key=lambda each: each.nodes, default=None)


def _pages(eks: Any, cluster: str) -> Any:
    return eks.get_paginator("list_nodegroups").paginate(clusterName=cluster)


def _describe(eks: Any, cluster: str, name: str) -> dict[str, Any]:
    group: dict[str, Any] = eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
    return group
