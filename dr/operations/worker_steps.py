"""Steps that raise and lower the worker fleets of the recovery region.

Clients do not depend on workers, so a failover sets their sizes and does not wait for instances: `dr check` compares
the sizes with what runs, and an alarm reports busy ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dr.clients import calls, client
from dr.errors import Failed, Problem
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.tiers import Tier
from dr.topology.workers import Sizes, group_name


@dataclass(frozen=True)
class WorkerGroup:
    """The Auto Scaling group of a fleet.

    Args:
        fleet: The fleet's name.
        name: The group's name.
        sizes: Minimum and maximum size.
        desired: Desired size.
        in_service: Instances in service.
        template: ID of its launch template.
        version: Version of the template.
    """

    fleet: str
    name: str
    sizes: Sizes
    desired: int
    in_service: int
    template: str
    version: str


def worker_groups(scene: Scene) -> list[WorkerGroup]:
    """Return the Auto Scaling groups of the fleets in the recovery region; without fleets, nothing is called.

    Raises:
        Unreachable: The region does not answer.
        Failed: Auto Scaling refused the call, or a group does not exist.
    """
    prefix, fleets = scene.topology.bucket_prefix, scene.topology.fleets
    if not fleets:
        return []
    names = {group_name(prefix, fleet.name): fleet.name for fleet in fleets}
    with calls("worker fleets", scene.region):
        answer = client("autoscaling", scene.region).describe_auto_scaling_groups(AutoScalingGroupNames=list(names))
    found = {each["AutoScalingGroupName"]: each for each in answer["AutoScalingGroups"]}
    if missing := sorted(names.keys() - found.keys()):
        fact = f"{scene.region} has no Auto Scaling group {', '.join(missing)}"
        raise Failed(Problem("worker fleets", fact, f"`pulumi up -s {scene.recovery.stack}` creates it"))
    return [_group(fleet, found[name]) for name, fleet in names.items()]


def _group(fleet: str, found: Mapping[str, Any]) -> WorkerGroup:
    template = found["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    return WorkerGroup(
        fleet,
        found["AutoScalingGroupName"],
        Sizes(found["MinSize"], found["MaxSize"]),
        found["DesiredCapacity"],
        sum(each["LifecycleState"] == "InService" for each in found["Instances"]),
        template["LaunchTemplateId"],
        template["Version"],
    )


def wanted_sizes(scene: Scene, tier: Tier) -> dict[str, Sizes]:
    """Return the sizes of each fleet in a tier. Pure."""
    topology = scene.topology
    return {fleet.name: fleet.sizes(tier, topology.workload.warm_fraction) for fleet in topology.fleets}


def raise_workers(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that raises the fleets to the tier that serves."""

    def evaluate(scene: Scene) -> Verdict:
        groups, wanted = worker_groups(scene), wanted_sizes(scene, scene.serving_tier)
        if not groups:
            return Verdict(State.DONE, "dr:workers has no fleet")
        low = [group for group in groups if _below(group, wanted[group.fleet])]
        if low:
            text = ", ".join(f"{group.name} to {wanted[group.fleet].least}" for group in low)
            return Verdict(State.NEEDED, f"raise {text}")
        return Verdict(State.DONE, _running(groups))

    def act(scene: Scene, report: Report) -> None:
        wanted = wanted_sizes(scene, scene.serving_tier)
        for group in worker_groups(scene):
            sizes = wanted[group.fleet]
            if _below(group, sizes):
                report(f"{group.name}: {sizes.least} instances", None)
                least, most = max(sizes.least, group.sizes.least), max(sizes.most, group.sizes.most)
                _resize(scene, group, Sizes(least, most), max(least, group.desired))

    return Step(
        name="workers",
        title="Start workers",
        evaluate=evaluate,
        act=act,
        after=after,
        phase=Phase.CAPACITY,
        expected=timedelta(seconds=2),
        slow="activities of the Auto Scaling groups: capacity, quota or the image",
        without="work of the fleets of dr:workers waits",
    )


def lower_workers(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that returns the fleets to the tier of normal operation."""

    def evaluate(scene: Scene) -> Verdict:
        groups, wanted = worker_groups(scene), wanted_sizes(scene, scene.normal_tier)
        if not groups:
            return Verdict(State.DONE, "dr:workers has no fleet")
        high = [group for group in groups if group.sizes != wanted[group.fleet]]
        return Verdict(State.NEEDED if high else State.DONE, _running(groups))

    def act(scene: Scene, report: Report) -> None:
        wanted = wanted_sizes(scene, scene.normal_tier)
        for group in worker_groups(scene):
            sizes = wanted[group.fleet]
            if group.sizes != sizes:
                _resize(scene, group, sizes, min(max(group.desired, sizes.least), sizes.most))

    return Step(
        name="lower-workers",
        title="Return the workers to the tier",
        evaluate=evaluate,
        act=act,
        after=after,
        phase=Phase.CAPACITY,
        expected=timedelta(seconds=2),
        without="workers of the recovery region run on, and cost",
    )


def _below(group: WorkerGroup, sizes: Sizes) -> bool:
    return group.sizes.least < sizes.least or group.sizes.most < sizes.most


def _running(groups: list[WorkerGroup]) -> str:
    return ", ".join(f"{group.fleet}: {group.in_service} of {group.desired} in service" for group in groups)


def _resize(scene: Scene, group: WorkerGroup, sizes: Sizes, desired: int) -> None:
    """Set the sizes of a group. Raises as `worker_groups`."""
    with calls(f"workers {group.fleet}", scene.region):
        client("autoscaling", scene.region).update_auto_scaling_group(
            AutoScalingGroupName=group.name, MinSize=sizes.least, MaxSize=sizes.most, DesiredCapacity=desired
        )
