"""Steps that bring capacity up in the recovery region: nodes, then replicas.

Sizes are those of the tier that the region is raised to. They are recorded as the activation in the incident state
first, so that a `pulumi up` meanwhile keeps them. Replicas of inference preempt batch jobs by their priority.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from dr.clients import calls, client
from dr.clusters.pod_failures import ready
from dr.errors import Failed, Problem
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.preflight.running_nodes import GPU, is_gpu_group, node_groups
from dr.topology.capacity import capacity
from dr.topology.serving import NAMESPACE, SERVICE
from dr.topology.tiers import highest

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{SERVICE}"


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
        detail = f"activation {now or 'none'}, deployed tier {scene.tier}"
        return Verdict(State.DONE if highest(scene.tier, now).spec.serves else State.NEEDED, detail)

    def act(scene: Scene, report: Report) -> None:
        wanted = scene.serving_tier
        scene.held.update(lambda state: replace(state, activation=highest(wanted, state.activation)))

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
        wanted, now = scene.needed.replicas, _requested(scene)
        if now < wanted:
            return Verdict(State.NEEDED, f"{now} of {wanted} replicas are requested")
        return verify(scene)

    def act(scene: Scene, report: Report) -> None:
        wanted = scene.needed.replicas
        if _requested(scene) < wanted:
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
        sizes = capacity(scene.topology.workload, scene.normal_tier, len(scene.topology.recovery.zones))
        return sizes.replicas, sizes.zone_nodes

    def evaluate(scene: Scene) -> Verdict:
        if scene.normal_tier.spec.serves:
            return Verdict(State.DONE, f"tier {scene.normal_tier} serves in normal operation; the autoscaler lowers it")
        least, zone_nodes = wanted(scene)
        requested = _requested(scene)
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


def _requested(scene: Scene) -> int:
    """Return the number of replicas that are requested. Raises as `ClusterApi.get`."""
    return int(scene.cluster.get(f"{DEPLOYMENT}/scale")["spec"].get("replicas", 0))


def _to_raise(scene: Scene) -> dict[GpuGroup, int]:
    """Return the groups with a floor or a size below the need, each with the size that it needs.

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
    with calls(f"node groups of {name}", scene.region):
        groups = {
            group["resources"]["autoScalingGroups"][0]["name"]: group["nodegroupName"]
            for group in node_groups(client("eks", scene.region), name)
            if is_gpu_group(group, scene.topology.bucket_prefix)
        }
        if not groups:
            return []
        # EKS reports an outdated size for a while after the autoscaler changes it.
        found = client("autoscaling", scene.region).describe_auto_scaling_groups(AutoScalingGroupNames=list(groups))
    return [
        GpuGroup(
            groups[each["AutoScalingGroupName"]],
            str(each["AvailabilityZones"][0]),
            each["MinSize"],
            each["DesiredCapacity"],
            each["MaxSize"],
        )
        for each in found["AutoScalingGroups"]
    ]


def resize(scene: Scene, group: GpuGroup, least: int, desired: int) -> None:
    """Set the minimum and the desired size of a node group. Raises as `gpu_groups`."""
    if (group.least, group.desired) == (least, desired):
        return
    sizes = {"minSize": least, "desiredSize": desired, "maxSize": max(group.most, desired)}
    with calls(f"node group {group.name}", scene.region):
        client("eks", scene.region).update_nodegroup_config(
            clusterName=scene.cluster.address.name, nodegroupName=group.name, scalingConfig=sizes
        )


def ready_gpu_nodes(scene: Scene) -> dict[str, str]:
    """Return the instance types of ready GPU nodes that take pods, by name. Raises as `ClusterApi.get`."""
    listed = scene.cluster.get("/api/v1/nodes", labelSelector=f"pool={GPU}")["items"]
    return {
        each["metadata"]["name"]: each["metadata"]["labels"].get(INSTANCE_TYPE, "unknown")
        for each in listed
        if not each["spec"].get("unschedulable") and ready(each)
    }
