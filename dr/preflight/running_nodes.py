"""Lookup of running nodes, so that a deployment keeps nodes that the autoscaler added.

A node group's minimum size is the floor of its tier; the autoscaler sets its desired size. EKS rejects a minimum above
the desired size, so a deployment sets both, with the number of running nodes as desired size (EKS API,
NodegroupScalingConfig). Only a deployment sets the minimum. A desired size above the minimum was set by the autoscaler
and is kept; the autoscaler lowers it again. A desired size equal to the minimum follows the tier. A tier without
replicas removes all GPU nodes.

There is a GPU node group in each zone. The nodes of a group that spans several zones, which earlier versions of this
program created, count as spread over its zones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import Failed
from dr.topology.capacity import SYSTEM_NODES, Capacity, spread

GPU, SYSTEM = "gpu", "system"
"""Values of the label `pool` of node groups."""


@dataclass(frozen=True)
class Size:
    """Current size of a node group.

    Args:
        floor: Minimum size: the floor of the last deployment.
        nodes: Desired size.
    """

    floor: int
    nodes: int


@dataclass(frozen=True)
class RunningNodes:
    """Current sizes of a cluster's node groups.

    Args:
        gpu: Sizes of the GPU nodes by zone; a zone without a group has no entry.
        system: Size of the system node group; None if there is none.
    """

    gpu: Mapping[str, Size] = field(default_factory=dict)
    system: Size | None = None


@dataclass(frozen=True)
class DesiredNodes:
    """Desired sizes to deploy.

    Args:
        gpu: GPU nodes by zone.
        system: System nodes.
    """

    gpu: Mapping[str, int]
    system: int


def wanted(
    capacity: Capacity, zones: Sequence[str], cluster: str, workload: str, region: str
) -> tuple[DesiredNodes, list[str]]:
    """Return the desired sizes to deploy.

    Args:
        capacity: Capacity of the region, with the floor and the maximum of nodes.
        zones: Zones of the region.
        cluster: Name of the cluster, which may not exist yet.
        workload: Value of the tag `workload` on the node groups.
        region: The region.

    Returns:
        The sizes, and warnings. If the running nodes are unknown, the floors and a warning.
    """
    try:
        found = find(cluster, workload, region)
    except Failed as error:
        fact = f"unknown, {error.problems[0].fact}; the floor, {capacity.nodes}, is deployed, and more may run"
        return kept(capacity, zones, RunningNodes()), [f"GPU nodes of {cluster} in {region}: {fact}"]
    return kept(capacity, zones, found), []


def kept(capacity: Capacity, zones: Sequence[str], found: RunningNodes) -> DesiredNodes:
    """Return the desired sizes to deploy, from the floors and the running nodes. Pure."""
    least, _, most = SYSTEM_NODES
    gpu = {
        zone: _kept(floor, capacity.max_zone_nodes, found.gpu.get(zone) if capacity.nodes else None)
        for zone, floor in zip(zones, capacity.zone_nodes, strict=True)
    }
    return DesiredNodes(gpu, _kept(least, most, found.system))


def _kept(floor: int, most: int, found: Size | None) -> int:
    if found is None or found.nodes <= found.floor:
        return floor
    return min(max(floor, found.nodes), most)


def find(cluster: str, workload: str, region: str) -> RunningNodes:
    """Look up the node groups. During a replacement a zone has several; the largest counts.

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
            groups = node_groups(eks, cluster)
            pools = {
                scaling["name"]: group.get("labels", {}).get("pool")
                for group in groups
                if group.get("tags", {}).get("workload") == workload
                for scaling in group.get("resources", {}).get("autoScalingGroups", ())
            }
            if not pools:
                return RunningNodes()
            # EKS reports an outdated desired size for a while after the autoscaler changes it.
            scaled = client("autoscaling", region).describe_auto_scaling_groups(AutoScalingGroupNames=list(pools))
    except Missing:
        return RunningNodes()
    found = [(pools[each["AutoScalingGroupName"]], each) for each in scaled["AutoScalingGroups"]]
    gpu: dict[str, Size] = {}
    for pool_name, group in found:
        if pool_name == GPU:
            for zone, size in _by_zone(group):
                gpu[zone] = max(gpu.get(zone, size), size, key=lambda each: each.nodes)
    system = [Size(group["MinSize"], group["DesiredCapacity"]) for pool_name, group in found if pool_name == SYSTEM]
    return RunningNodes(gpu, max(system, key=lambda each: each.nodes, default=None))


def _by_zone(group: Mapping[str, Any]) -> Iterator[tuple[str, Size]]:
    """Yield the zones of an Auto Scaling group, each with its share of the group's size."""
    zones = sorted(group["AvailabilityZones"])
    floors, nodes = spread(group["MinSize"], len(zones)), spread(group["DesiredCapacity"], len(zones))
    yield from zip(zones, map(Size, floors, nodes), strict=True)


def node_groups(eks: Any, cluster: str) -> list[dict[str, Any]]:
    """Return the descriptions of all node groups of a cluster. Errors of the client are not mapped.

    Args:
        eks: Client of EKS.
        cluster: Name of the cluster.
    """
    pages = eks.get_paginator("list_nodegroups").paginate(clusterName=cluster)
    names = [name for page in pages for name in page["nodegroups"]]
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return list(
            pool.map(lambda name: eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"], names)
        )


def is_gpu_group(group: Mapping[str, Any], workload: str) -> bool:
    """Return whether a node group has GPU nodes of a workload."""
    return bool(group.get("labels", {}).get("pool") == GPU and group.get("tags", {}).get("workload") == workload)
