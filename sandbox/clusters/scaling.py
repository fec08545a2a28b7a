"""Auto Scaling groups of node groups: launch, boot, health check, replacement and termination of instances over time.

Instances are moto's, in the subnets of their zones, so EC2 and Auto Scaling list them. After a launch that failed for
insufficient capacity, the group retries; its activities and the node group's health report the failure. An instance
that will be terminated stays in Terminating:Wait until its node is drained, as with EKS's lifecycle hook. A new launch
template version is rolled out one node at a time; the new node starts before the old one is drained.

Simplified: only on-demand capacity exists; a capacity fault affects a whole region; warm pools, suspended processes and
standby are ignored.

A group without a zone that is up cannot launch, which its activities report as for insufficient capacity.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from moto.autoscaling.models import ASG_NAME_TAG, InstanceState
from moto.ec2.models import ec2_backends

from dr.topology.gpu_types import GPU_TYPES
from sandbox import timings
from sandbox.aws.account import ACCOUNT
from sandbox.aws.extensions.eks import clusters, subnets_of
from sandbox.aws.extensions.eks_nodes import NodeScalingGroup, scaling_group
from sandbox.aws.faults import Faults
from sandbox.clusters.capacity import Machine, launches, surplus, uneven, zones_to_fill

PENDING, IN_SERVICE, LEAVING = "Pending", "InService", "Terminating:Wait"
LAUNCH_FAILURE = "AsgInstanceLaunchFailures"
"""Code of a health issue of a node group (EKS API reference, Issue)."""
ACTIVITIES_KEPT = 100
SURGE_IN_ZONE = 2
"""Instances in each zone that an update launches before it removes old ones (EKS user guide, "Understand each phase of
node updates": "we'd launch up to two instances per Availability Zone")."""


@dataclass
class Life:
    """State of an instance that moto does not keep.

    Args:
        number: Order of launch.
        version: Versions of the launch template and of the image.
        ready_at: When the boot completes, in seconds of the monotonic clock.
        dead_since: When the instance's zone went down, in seconds of the same clock; None if the zone is up.
    """

    number: int
    version: str
    ready_at: float
    dead_since: float | None = None


@dataclass
class Plan:
    """State of a group that moto does not keep.

    Args:
        retry_at: When the next launch is allowed after insufficient capacity, in seconds of the monotonic clock.
        grown_at: When the autoscaler last grew the group; None if it did not.
        surge: Instances that the group has above its desired size, as replacements of others.
    """

    retry_at: float = 0.0
    grown_at: datetime.datetime | None = None
    surge: int = 0


class Scaling:
    """Auto Scaling groups of one cluster's node groups.

    Args:
        faults: Injected faults.
        region: Region of the cluster.
        cluster: Name of the cluster.
        speed: Modelled seconds per real second.
    """

    def __init__(self, faults: Faults, region: str, cluster: str, speed: float) -> None:
        self._faults, self._region, self._cluster, self._speed = faults, region, cluster, speed
        self._lives: dict[str, Life] = {}
        self._plans: dict[str, Plan] = {}
        self._launched = 0

    def groups(self) -> list[tuple[dict[str, Any], NodeScalingGroup]]:
        """Return the node groups with their Auto Scaling groups."""
        cluster = clusters(self._region).get(self._cluster)
        found = list(cluster.groups.values()) if cluster else []
        return [(group, scaling_group(self._region, group)) for group in found if self._has(group)]

    def step(self) -> None:
        """Check, launch and terminate instances of all groups."""
        now = time.monotonic()
        for group, scaled in self.groups():
            self._plans.setdefault(scaled.name, Plan())
            self._check(scaled, now)
            self._fill(group, scaled, now)
            self._empty(scaled)

    def ready(self, state: InstanceState) -> bool:
        """Return whether an instance has booted and its zone is up."""
        life = self._lives[state.instance_id]
        return life.dead_since is None and time.monotonic() >= life.ready_at

    def dead(self, state: InstanceState) -> bool:
        """Return whether an instance's zone is down, and EC2 and the kubelet's lease show it."""
        return self._faults.zone_noticed(str(state.availability_zone))

    def grow(self, scaled: NodeScalingGroup, size: int) -> None:
        """Set a group's desired size, as the autoscaler does."""
        self._plans.setdefault(scaled.name, Plan()).grown_at = datetime.datetime.now(datetime.UTC)
        scaled.set_desired_capacity(size)

    def launch_failed(self, scaled: NodeScalingGroup) -> bool:
        """Return whether a launch failed since `grow` (Cluster Autoscaler, AWS provider, `isNodeGroupAvailable`)."""
        since = self._plans.setdefault(scaled.name, Plan()).grown_at
        lacking = (scaled.desired_capacity or 0) > len(_of(scaled, PENDING, IN_SERVICE))
        activities = [each for each in scaled.activities if since is None or each["StartTime"] >= since]
        return lacking and any(each["StatusCode"] == "Failed" for each in activities)

    def retire(self, scaled: NodeScalingGroup, state: InstanceState) -> None:
        """Start draining an instance before its termination, and reduce the group's desired size by one."""
        state.lifecycle_state = LEAVING
        scaled.set_desired_capacity((scaled.desired_capacity or 0) - 1)

    def give_up(self, scaled: NodeScalingGroup, state: InstanceState, cause: str) -> None:
        """Terminate an instance at once.

        Args:
            scaled: Auto Scaling group of the instance.
            state: The instance.
            cause: Cause in the group's activity.
        """
        scaled.instance_states = [one for one in scaled.instance_states if one is not state]
        ec2_backends[ACCOUNT][self._region].terminate_instances([state.instance_id])
        self._lives.pop(state.instance_id, None)
        _record(scaled, f"Terminating EC2 instance: {state.instance_id}", cause)

    def _has(self, group: dict[str, Any]) -> bool:
        try:
            return bool(scaling_group(self._region, group))
        except KeyError:  # the Auto Scaling group was deleted
            return False

    def _check(self, scaled: NodeScalingGroup, now: float) -> None:
        """Update the state of instances that have booted, failed their health check or were terminated."""
        check = timings.INSTANCE_CHECK.seconds / self._speed
        # moto keeps an instance in the group after a user terminated it.
        scaled.instance_states = [each for each in scaled.instance_states if each.instance.state == "running"]
        for state in list(scaled.instance_states):
            life = self._lives[state.instance_id]
            if not self.dead(state):
                life.dead_since, state.health_status = None, "Healthy"
                if state.lifecycle_state == PENDING and now >= life.ready_at:
                    state.lifecycle_state = IN_SERVICE
                continue
            life.dead_since = now if life.dead_since is None else life.dead_since
            if now - life.dead_since >= check:
                state.health_status = "Unhealthy"
                cause = "an instance was taken out of service in response to an EC2 health check"
                self.give_up(scaled, state, f"{cause} indicating it has been terminated or stopped.")

    def _fill(self, group: dict[str, Any], scaled: NodeScalingGroup, now: float) -> None:
        """Launch missing instances, and more if instances need a replacement.

        By update strategy (EKS user guide, "Understand each phase of node updates"): DEFAULT launches up to two in each
        zone first, MINIMAL drains one before its replacement starts.
        """
        plan, staying = self._plans[scaled.name], _of(scaled, PENDING, IN_SERVICE)
        zones = self._zones(scaled)
        machines = [self._machine(scaled, state) for state in staying]
        minimal = group["updateConfig"]["updateStrategy"] == "MINIMAL"
        outdated = [
            state for state in scaled.instance_states if self._lives[state.instance_id].version != _version(scaled)
        ]
        updating = [state for state in outdated if minimal and state.lifecycle_state == LEAVING]
        lacking = (scaled.desired_capacity or 0) - len(staying) - len(updating)
        if lacking <= 0:
            _resolve(group)
        at = zones_to_fill(zones, machines, lacking)
        plan.surge = plan.surge if _of(scaled, PENDING) else 0
        settled = lacking == 0 and len(_of(scaled, IN_SERVICE)) == len(scaled.instance_states)
        if settled and not plan.surge:
            old = [machine.zone for machine in machines if not machine.current and machine.zone in zones]
            alive = [machine for machine in machines if not self._faults.zone_down(machine.zone)]
            if old and minimal:
                outdated[0].lifecycle_state = LEAVING
            elif old or uneven(zones, alive):
                at = old[: SURGE_IN_ZONE * len(zones)] if old else zones_to_fill(zones, machines, 1)
                plan.surge = len(at)
        types = group["instanceTypes"] or [scaled.instance_type]
        if lacking > 0 and not zones and now >= plan.retry_at:
            plan.retry_at = now + timings.CAPACITY_RETRY.seconds / self._speed
            _failed(group, scaled, types, str(scaled.availability_zones[0]))
        if not at or now < plan.retry_at:
            return
        chosen = launches(at, types, self._has_capacity)
        for each in chosen:
            self._launch(group, scaled, each.zone, each.instance_type, now)
        if chosen:
            _resolve(group)
        else:
            plan.retry_at, plan.surge = now + timings.CAPACITY_RETRY.seconds / self._speed, 0
            _failed(group, scaled, types, at[0])

    def _has_capacity(self, zone: str, instance_type: str) -> bool:
        """Return whether a zone offers an instance type, and no fault takes its capacity away."""
        if self._faults.no_capacity(self._region, instance_type):
            return False
        offered = ec2_backends[ACCOUNT][self._region].describe_instance_type_offerings(
            location_type="availability-zone", filters={"instance-type": [instance_type], "location": [zone]}
        )
        return bool(offered)

    def _empty(self, scaled: NodeScalingGroup) -> None:
        """Terminate surplus instances, booting ones first."""
        staying = _of(scaled, PENDING, IN_SERVICE)
        over = len(staying) - (scaled.desired_capacity or 0) - self._plans[scaled.name].surge
        booting = _of(scaled, PENDING)[-over:] if over > 0 else []
        for state in booting:
            self.give_up(scaled, state, _because("a difference between desired and actual capacity, shrinking"))
        running = {state.instance_id: state for state in _of(scaled, IN_SERVICE)}
        machines = [self._machine(scaled, state) for state in running.values()]
        for machine in surplus(machines, over - len(booting)):
            running[machine.id].lifecycle_state = LEAVING

    def _zones(self, scaled: NodeScalingGroup) -> list[str]:
        return [zone for zone in dict.fromkeys(scaled.availability_zones) if not self._faults.zone_down(zone)]

    def _machine(self, scaled: NodeScalingGroup, state: InstanceState) -> Machine:
        life = self._lives[state.instance_id]
        return Machine(state.instance_id, str(state.availability_zone), life.number, life.version == _version(scaled))

    def _launch(
        self, group: dict[str, Any], scaled: NodeScalingGroup, zone: str, instance_type: str, now: float
    ) -> None:
        backend = ec2_backends[ACCOUNT][self._region]
        subnets = subnets_of(self._region, group["subnets"])
        tags = {**scaled.get_propagated_tags(), ASG_NAME_TAG: scaled.name}
        instance = backend.run_instances(
            "ami-eks",
            1,
            None,
            [],
            instance_type=instance_type,
            is_instance_type_default=False,
            subnet_id=next(subnet.id for subnet in subnets if subnet.availability_zone == zone),
            placement=zone,
            region_name=self._region,
            tags={"instance": tags},
            launch_template=_template(scaled),
        ).instances[0]
        self._launched += 1
        boot = timings.GPU_NODE_BOOT if instance_type in GPU_TYPES else timings.PLAIN_NODE_BOOT
        ready_at = now + boot.of(instance.id) / self._speed
        self._lives[instance.id] = Life(self._launched, _version(scaled), ready_at)
        scaled.instance_states.append(InstanceState(instance, PENDING, autoscaling_group=scaled))
        cause = _because("a difference between desired and actual capacity, increasing")
        _record(scaled, f"Launching a new EC2 instance: {instance.id}", cause)


def _of(scaled: NodeScalingGroup, *phases: str) -> list[InstanceState]:
    return [state for state in scaled.instance_states if state.lifecycle_state in phases]


def _version(scaled: NodeScalingGroup) -> str:
    """Return the version of new nodes: of the launch template, and release of the image."""
    return f"{scaled.launch_template_version} {scaled.node_group['releaseVersion']}"


def _template(scaled: NodeScalingGroup) -> dict[str, str] | None:
    template = scaled.ec2_launch_template
    return {"LaunchTemplateId": template.id, "Version": str(scaled.launch_template_version)} if template else None


def _because(of: str) -> str:
    return f"an instance was started or ended in response to {of} the capacity."


def _record(scaled: NodeScalingGroup, what: str, cause: str, failure: str = "") -> None:
    """Add an activity to a group (Auto Scaling API reference, Activity)."""
    now = datetime.datetime.now(datetime.UTC)
    activity = {
        "ActivityId": str(uuid4()),
        "AutoScalingGroupName": scaled.name,
        "Description": what,
        "Cause": f"At {now:%Y-%m-%dT%H:%M:%SZ} {cause}",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": "Failed" if failure else "Successful",
        "Progress": 100,
    }
    scaled.activities.append(activity | ({"StatusMessage": failure} if failure else {}))
    del scaled.activities[:-ACTIVITIES_KEPT]


def _failed(group: dict[str, Any], scaled: NodeScalingGroup, types: list[str], zone: str) -> None:
    reason = (
        f"We currently do not have sufficient {', '.join(types)} capacity in the Availability Zone you requested "
        f"({zone}). Our system will be working on provisioning additional capacity. Launching EC2 instance failed."
    )
    cause = _because("a difference between desired and actual capacity, increasing")
    _record(scaled, f"Launching a new EC2 instance.  Status Reason: {reason}", cause, reason)
    issue = {"code": LAUNCH_FAILURE, "message": reason, "resourceIds": [scaled.name]}
    _resolve(group)
    group["health"]["issues"].append(issue)


def _resolve(group: dict[str, Any]) -> None:
    """Remove the health issue of failed launches."""
    group["health"]["issues"] = [each for each in group["health"]["issues"] if each["code"] != LAUNCH_FAILURE]
