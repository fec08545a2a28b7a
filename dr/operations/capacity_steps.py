"""Steps that bring capacity up in the recovery region: nodes, then replicas.

Sizes are those of the tier that the region is raised to. They are recorded as the activation in the incident state
first, so that a `pulumi up` meanwhile keeps them. Replicas of inference preempt batch jobs by their priority.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from dr.clients import calls, client
from dr.errors import Failed, Problem
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.preflight.running_nodes import GPU
from dr.topology.capacity import capacity
from dr.topology.serving import NAMESPACE, SERVICE

DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{SERVICE}"
AUTOSCALER = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{SERVICE}"
ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True)
class GpuGroup:
    """The GPU node group of a zone.

    Args:
        name: Its name.
        zone: Its zone.
        least: Minimum size.
        desired: Desired size.
        most: Maximum size.
    """

    name: str
    zone: str
    least: int
    desired: int
    most: int


def activate(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that records the tier to which the region is raised."""

    def evaluate(scene: Scene) -> Verdict:
        now = scene.state().activation
        wanted = scene.serving_tier
        detail = f"activation {now or 'none'}, deployed tier {scene.tier}"
        return Verdict(State.DONE if (now or scene.tier) >= wanted else State.NEEDED, detail)

    def act(scene: Scene, report: Report) -> None:
        wanted = scene.serving_tier
        scene.held.update(lambda state: replace(state, activation=max(wanted, state.activation or wanted)))

    return Step(
        name="activate",
        title="Record the tier that the recovery region is raised to",
        evaluate=evaluate,
        act=act,
        after=after,
        phase=Phase.CAPACITY,
    )


def nodes(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that raises the GPU node groups to the floor, in each zone."""

    def evaluate(scene: Scene) -> Verdict:
        lacking = {group.name: size for group, size in _to_raise(scene).items()}
        if lacking:
            text = ", ".join(f"{name} to {size}" for name, size in lacking.items())
            return Verdict(State.NEEDED, f"raise {text}")
        return verify(scene)

    def act(scene: Scene, report: Report) -> None:
        for group, size in _to_raise(scene).items():
            report(f"{group.name}: {size} nodes", None)
            resize(scene, group, size, max(size, group.desired))

    def verify(scene: Scene) -> Verdict:
        wanted, ready = scene.needed.nodes, len(ready_gpu_nodes(scene))
        return Verdict(State.DONE if ready >= wanted else State.NEEDED, f"{ready} of {wanted} GPU nodes ready")

    return Step(
        name="nodes",
        title="Start GPU nodes",
        evaluate=evaluate,
        act=act,
        verify=verify,
        timeout=timedelta(minutes=15),
        expected=timedelta(seconds=120),
        source="an instance is ready after 80 to 120 s (docs/architecture.md)",
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.CAPACITY,
        slow="activities of the Auto Scaling groups: capacity, quota or addresses; another type in dr:gpuInstanceTypes",
    )


def replicas(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that scales inference up to the floor."""

    def evaluate(scene: Scene) -> Verdict:
        scale = scene.cluster.get(f"{DEPLOYMENT}/scale")
        wanted, now = scene.needed.replicas, int(scale["spec"].get("replicas", 0))
        if now < wanted:
            return Verdict(State.NEEDED, f"{now} of {wanted} replicas are requested")
        return verify(scene)

    def act(scene: Scene, report: Report) -> None:
        wanted = scene.needed.replicas
        now = int(scene.cluster.get(f"{DEPLOYMENT}/scale")["spec"].get("replicas", 0))
        if now < wanted:
            scene.cluster.merge(f"{DEPLOYMENT}/scale", {"spec": {"replicas": wanted}})

    def verify(scene: Scene) -> Verdict:
        status = scene.cluster.get(DEPLOYMENT).get("status", {})
        wanted, ready = scene.needed.replicas, int(status.get("readyReplicas", 0))
        return Verdict(State.DONE if ready >= wanted else State.NEEDED, f"{ready} of {wanted} replicas ready")

    return Step(
        name="replicas",
        title="Start replicas of inference",
        evaluate=evaluate,
        act=act,
        verify=verify,
        timeout=timedelta(minutes=20),
        expected=timedelta(seconds=180),
        source="image pull, model download and load: an estimate",
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.CAPACITY,
        slow="`dr rollout --role recovery` names what blocks each replica",
    )


def lower(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that returns the recovery region to its deployed tier."""

    def wanted(scene: Scene) -> tuple[int, tuple[int, ...]]:
        sizes = capacity(scene.topology.workload, scene.tier, len(scene.topology.recovery.zones))
        return sizes.replicas, sizes.zone_nodes

    def evaluate(scene: Scene) -> Verdict:
        if scene.tier.spec.serves:
            return Verdict(State.DONE, f"tier {scene.tier} serves in normal operation; the autoscaler lowers it")
        least, zone_nodes = wanted(scene)
        requested = int(scene.cluster.get(f"{DEPLOYMENT}/scale")["spec"].get("replicas", 0))
        groups = gpu_groups(scene)
        size = sum(group.desired for group in groups)
        done = requested <= least and size <= sum(zone_nodes) and all(group.least == 0 for group in groups)
        return Verdict(State.DONE if done else State.NEEDED, f"{requested} replicas, {size} GPU nodes")

    def act(scene: Scene, report: Report) -> None:
        least, zone_nodes = wanted(scene)
        scene.cluster.merge(f"{DEPLOYMENT}/scale", {"spec": {"replicas": least}})
        for group, size in zip(sorted(gpu_groups(scene), key=lambda each: each.zone), zone_nodes, strict=True):
            resize(scene, group, size, size)

    return Step(
        name="lower-capacity",
        title="Return the recovery region to its tier",
        evaluate=evaluate,
        act=act,
        timeout=timedelta(minutes=15),
        expected=timedelta(seconds=60),
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.CAPACITY,
        without="the recovery region keeps its capacity, and its cost",
    )


def _to_raise(scene: Scene) -> dict[GpuGroup, int]:
    """Return the groups whose floor or size is less than needed, each with the size that it needs.

    Raises:
        Failed: The cluster has no GPU node group in some zone.
    """
    groups = {group.zone: group for group in gpu_groups(scene)}
    wanted = dict(zip(scene.topology.recovery.zones, scene.needed.zone_nodes, strict=True))
    missing = [zone for zone, size in wanted.items() if size and zone not in groups]
    if missing:
        fact = f"{scene.region} has no GPU node group in {', '.join(missing)}"
        raise Failed(Problem("GPU nodes", fact, "`pulumi up -s dr` creates them"))
    return {
        groups[zone]: size
        for zone, size in wanted.items()
        if size and (groups[zone].least < size or groups[zone].desired < size)
    }


def gpu_groups(scene: Scene) -> list[GpuGroup]:
    """Return the GPU node groups of the recovery region's cluster.

    Raises:
        Unreachable: The region does not answer.
        Failed: EKS refused the call.
    """
    name = scene.cluster.address.name
    eks = client("eks", scene.region)
    with calls(f"node groups of {name}", scene.region):
        pages = eks.get_paginator("list_nodegroups").paginate(clusterName=name)
        names = [each for page in pages for each in page["nodegroups"]]
        with ThreadPoolExecutor(max_workers=8) as pool:
            described = pool.map(
                lambda each: eks.describe_nodegroup(clusterName=name, nodegroupName=each)["nodegroup"], names
            )
            found = [_group(each, scene) for each in described if _is_gpu(each, scene)]
    return found


def _is_gpu(group: Mapping[str, Any], scene: Scene) -> bool:
    tags = group.get("tags", {})
    return bool(group.get("labels", {}).get("pool") == GPU and tags.get("workload") == scene.topology.bucket_prefix)


def _group(group: Mapping[str, Any], scene: Scene) -> GpuGroup:
    """Return a group; its size is that of its Auto Scaling group, since EKS reports an outdated one for a while."""
    scaling = group["resources"]["autoScalingGroups"][0]["name"]
    found = client("autoscaling", scene.region).describe_auto_scaling_groups(AutoScalingGroupNames=[scaling])
    live = found["AutoScalingGroups"][0]
    zone = str(live["AvailabilityZones"][0])
    return GpuGroup(group["nodegroupName"], zone, live["MinSize"], live["DesiredCapacity"], live["MaxSize"])


def resize(scene: Scene, group: GpuGroup, least: int, desired: int) -> None:
    """Set the minimum and the desired size of a node group. Raises as `gpu_groups`."""
    if (group.least, group.desired) == (least, desired):
        return
    sizes = {"minSize": least, "desiredSize": desired, "maxSize": max(group.most, desired)}
    with calls(f"node group {group.name}", scene.region):
        client("eks", scene.region).update_nodegroup_config(
            clusterName=scene.cluster.address.name, nodegroupName=group.name, scalingConfig=sizes
        )


def ready_gpu_nodes(scene: Scene) -> list[str]:
    """Return the names of ready GPU nodes that take pods. Raises as `ClusterApi.get`."""
    listed = scene.cluster.get("/api/v1/nodes", labelSelector=f"pool={GPU}")["items"]
    return [
        each["metadata"]["name"]
        for each in listed
        if not each["spec"].get("unschedulable")
        and any(one["type"] == "Ready" and one["status"] == "True" for one in each["status"].get("conditions", ()))
    ]
