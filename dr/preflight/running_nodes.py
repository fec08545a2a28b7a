"""Lookup of running GPU nodes, so that a deployment keeps nodes that the autoscaler added.

A node group's minimum size is the floor of its tier; the autoscaler sets its desired size. EKS rejects a minimum above
the desired size, so a deployment sets both, with the number of running nodes as desired size (EKS API,
NodegroupScalingConfig). Only a deployment sets the minimum. A desired size above the minimum was set by the autoscaler
and is kept; the autoscaler lowers it again. A desired size equal to the minimum follows the tier. A tier without
replicas removes all nodes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import Failed
from dr.topology.capacity import Capacity

POOL = {"pool": "gpu"}
"""Label of GPU node groups."""


@dataclass(frozen=True)
class Running:
    """Current size of a GPU node group.

    Args:
        floor: Minimum size: the floor of the last deployment.
        nodes: Desired size.
    """

    floor: int
    nodes: int


def wanted(capacity: Capacity, cluster: str, workload: str, region: str) -> tuple[int, list[str]]:
    """Return the number of GPU nodes to deploy.

    Args:
        capacity: Capacity of the region, with the floor and the maximum of nodes.
        cluster: Name of the cluster, which may not exist yet.
        workload: Value of the tag `workload` on the node groups.
        region: The region.

    Returns:
        The number of nodes, and warnings. If the number of running nodes is unknown, the floor and a warning.
    """
    try:
        found = find(cluster, workload, region)
    except Failed as error:
        fact = f"unknown, {error.problems[0].fact}; the floor, {capacity.nodes}, is deployed, and more may run"
        return capacity.nodes, [f"GPU nodes of {cluster} in {region}: {fact}"]
    return kept(capacity, found), []


def kept(capacity: Capacity, found: Running | None) -> int:
    """Return the desired size to deploy, from the floor and the running nodes. Pure."""
    raised = found is not None and found.nodes > found.floor
    if not capacity.nodes or found is None or not raised:
        return capacity.nodes
    return min(max(capacity.nodes, found.nodes), capacity.max_nodes)


def find(cluster: str, workload: str, region: str) -> Running | None:
    """Look up the GPU node group; None if there is none. During a replacement there are several; return the largest.

    Args:
        cluster: Name of the cluster.
        workload: Value of the tag `workload` on the node groups.
        region: The region.

    Raises:
        Failed: EKS or EC2 Auto Scaling refused the request.
        Unreachable: The region does not answer.
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
            # EKS reports an outdated desired size for a while after the autoscaler changes it.
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
