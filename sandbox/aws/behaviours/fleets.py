"""Auto Scaling groups with a launch template: launch, replacement and termination of instances, and scaling by alarms.

moto starts all instances at once, in the first subnet, from any image. Here an instance starts in the zone with the
fewest, if its image is available in the region and Auto Scaling may use the key of its volumes; it is in service when
it has booted. Groups of node groups are those of sandbox/clusters/scaling.py.

Sources: Auto Scaling user guide, "Auto Scaling groups with multiple instance types and purchase options", "Step and
simple scaling policies", "How an instance refresh works", "Required AWS KMS key policy for use with encrypted volumes".
Simplified: an instance refresh replaces one instance at a time, and Spot instances are never interrupted.
"""

from __future__ import annotations

import datetime
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup, InstanceState, autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.ec2.models import ec2_backends

from sandbox import timings
from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours.keys import find_key, unusable
from sandbox.aws.faults import Faults
from sandbox.aws.world import World

PENDING, IN_SERVICE = "Pending", "InService"
IDLE_CPU = 40.0
"""CPU utilization of instances without a load: no alarm of the program changes their number."""
POLICY = re.compile(r"arn:aws:autoscaling:([^:]+):.*:autoScalingGroupName/([^:]+):policyName/(.+)")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
RUNNING = ("Pending", "InProgress")
"""States of an instance refresh that is not complete."""


@dataclass
class Life:
    """State of an instance that moto does not keep.

    Args:
        image: Its image.
        version: Version of its launch template.
        ready_at: When it has booted, in seconds of the monotonic clock.
        launched: When it was launched, by the emulator's clock.
    """

    image: str
    version: str
    ready_at: float
    launched: datetime.datetime


@dataclass
class State:
    """State of a group that moto does not keep.

    Args:
        lives: Instances by ID.
        activities: Scaling activities.
        refreshes: Instance refreshes, newest first.
        retry_at: When the next launch is tried after one that failed, in seconds of the monotonic clock.
    """

    lives: dict[str, Life]
    activities: list[dict[str, Any]]
    refreshes: list[dict[str, Any]]
    retry_at: float = 0.0


def owns(group: FakeAutoScalingGroup) -> bool:
    """Return whether a group's instances are those of this module."""
    return group.ec2_launch_template is not None and not hasattr(group, "node_group")


def state_of(group: FakeAutoScalingGroup) -> State:
    """Return what moto does not keep of a group."""
    kept = vars(group)
    if "fleet" not in kept:
        kept["fleet"] = State({}, [], [])
        group.activities = kept["fleet"].activities  # type: ignore[attr-defined]
    found: State = kept["fleet"]
    return found


def run(world: World, minute: datetime.datetime) -> None:
    """Step all groups, and publish the CPU utilization of their instances for one minute."""
    for region, backend in list(autoscaling_backends[ACCOUNT].items()):
        if world.faults.unreachable(region):
            continue
        for group in list(backend.autoscaling_groups.values()):
            if owns(group):
                step(world.faults, group)
                _publish(world.faults, group, minute)


def step(faults: Faults, group: FakeAutoScalingGroup) -> None:
    """Advance a group: instances that booted, are missing, are too many or are to be replaced."""
    now, state = time.monotonic(), state_of(group)
    # moto keeps an instance in the group after a user terminated it.
    group.instance_states = [each for each in group.instance_states if each.instance.state == "running"]
    for each in group.instance_states:
        if each.lifecycle_state == PENDING and now >= state.lives[each.instance_id].ready_at:
            each.lifecycle_state = IN_SERVICE
    over = len(group.instance_states) - (group.desired_capacity or 0)
    for each in _oldest(group)[: max(0, over)]:
        _end(group, each, "a difference between desired and actual capacity, shrinking")
    _refresh(group)
    if over < 0 or len(group.instance_states) < (group.desired_capacity or 0):
        _launch_missing(faults, group, now)


def problem_of_template(group_region: str, template_id: str, version: str) -> str:
    """Return why Auto Scaling refuses a launch template; "" for one that it accepts."""
    backend = ec2_backends[ACCOUNT][group_region]
    data = backend.get_launch_template(template_id).get_version(version).data
    image = data.get("ImageId", "")
    return _problem_of_image(group_region, image)


def execute(world: World, arn: str) -> str:
    """Run a step scaling policy, as an alarm does; return why that failed, or ""."""
    found = POLICY.fullmatch(arn)
    region, name, policy_name = found.groups() if found else ("", "", "")
    backend = autoscaling_backends[ACCOUNT][region] if region else None
    if backend is None or policy_name not in backend.policies or name not in backend.autoscaling_groups:
        return f"no policy {arn} exists"
    group, policy = backend.autoscaling_groups[name], backend.policies[policy_name]
    steps: Any = policy.step_adjustments or [{"ScalingAdjustment": policy.scaling_adjustment}]
    by = int(steps[0]["ScalingAdjustment"])
    warm = datetime.timedelta(seconds=int(policy.estimated_instance_warmup or 0))
    lives = state_of(group).lives
    starting = [each for each in group.instance_states if clock.now() - lives[each.instance_id].launched < warm]
    lacking = len(group.instance_states) < (group.desired_capacity or 0)
    # While instances warm up or lack, they count as capacity of the same step, and a scale-in waits.
    if not starting and not lacking:
        wanted = (group.desired_capacity or 0) + by
        group.desired_capacity = min(max(wanted, group.min_size or 0), group.max_size or 0)
        step(world.faults, group)
    return ""


def _launch_missing(faults: Faults, group: FakeAutoScalingGroup, now: float) -> None:
    state, region = state_of(group), group.region
    if now < state.retry_at:
        return
    problem = _problem_of_image(region, _version(group).image_id) or _problem_of_key(group)
    types = _types(group)
    for _ in range((group.desired_capacity or 0) - len(group.instance_states)):
        zones = [zone for zone in group.availability_zones if not faults.zone_down(zone)]
        kind = next((each for each in types if not faults.no_capacity(region, each)), None)
        if not problem and (kind is None or not zones):
            problem = f"We currently do not have sufficient {', '.join(types)} capacity in the Availability Zones."
        if problem:
            state.retry_at = now + timings.CAPACITY_RETRY.seconds / _speed()
            _record(
                group, f"Launching a new EC2 instance. Status Reason: {problem} Launching EC2 instance failed.", problem
            )
            return
        _launch(group, str(kind), zones, now)


def _launch(group: FakeAutoScalingGroup, instance_type: str, zones: list[str], now: float) -> None:
    backend, version = ec2_backends[ACCOUNT][group.region], _version(group)
    used = [each.availability_zone for each in group.instance_states]
    zone = min(zones, key=used.count)
    subnets = backend.describe_subnets(subnet_ids=(group.vpc_zone_identifier or "").split(","))
    template = group.ec2_launch_template
    instance = backend.run_instances(
        version.image_id,
        1,
        None,
        [],
        instance_type=instance_type,
        is_instance_type_default=False,
        subnet_id=next(each.id for each in subnets if each.availability_zone == zone),
        placement=zone,
        region_name=group.region,
        tags={"instance": {**group.get_propagated_tags(), **version.instance_tags, ASG_NAME_TAG: group.name}},
        launch_template={"LaunchTemplateId": template.id, "Version": str(version.number)} if template else None,
    ).instances[0]
    distribution = (group.mixed_instances_policy or {}).get("InstancesDistribution", {})
    on_demand = sum(each.instance.lifecycle != "spot" for each in group.instance_states)
    if int(distribution.get("OnDemandPercentageAboveBaseCapacity", 100)) == 0 and on_demand >= int(
        distribution.get("OnDemandBaseCapacity", 0)
    ):
        instance.lifecycle = "spot"
    ready_at = now + timings.PLAIN_NODE_BOOT.of(instance.id) / _speed()
    life = Life(version.image_id, str(version.number), ready_at, clock.now())
    state_of(group).lives[instance.id] = life
    group.instance_states.append(InstanceState(instance, PENDING, autoscaling_group=group))
    _record(group, f"Launching a new EC2 instance: {instance.id}")


def _end(group: FakeAutoScalingGroup, state: InstanceState, cause: str) -> None:
    group.instance_states = [each for each in group.instance_states if each is not state]
    ec2_backends[ACCOUNT][group.region].terminate_instances([state.instance_id])
    state_of(group).lives.pop(state.instance_id, None)
    _record(group, f"Terminating EC2 instance: {state.instance_id}: {cause}")


def _refresh(group: FakeAutoScalingGroup) -> None:
    """Replace one instance of another version or image, if enough stay in service."""
    state = state_of(group)
    refresh = next((each for each in state.refreshes if each["Status"] in RUNNING), None)
    if refresh is None:
        return
    refresh["Status"] = "InProgress"
    outdated = [each for each in group.instance_states if _outdated(group, each, refresh["since"])]
    lacking = len(group.instance_states) < (group.desired_capacity or 0)
    settled = not lacking and all(each.lifecycle_state == IN_SERVICE for each in group.instance_states)
    refresh["InstancesToUpdate"] = len(outdated)
    if outdated:
        if settled:
            _end(group, outdated[0], "an instance refresh")
    elif settled:
        refresh |= {"Status": "Successful", "PercentageComplete": 100, "EndTime": clock.now()}


def _outdated(group: FakeAutoScalingGroup, state: InstanceState, since: datetime.datetime) -> bool:
    life = state_of(group).lives[state.instance_id]
    return life.launched < since and life.version != str(_version(group).number)


def _oldest(group: FakeAutoScalingGroup) -> list[InstanceState]:
    """Return instances in the order of termination: those of older versions first, then the fullest zone's."""
    zones = [each.availability_zone for each in group.instance_states]
    lives = state_of(group).lives
    return sorted(
        group.instance_states,
        key=lambda each: (int(lives[each.instance_id].version), -zones.count(each.availability_zone)),
    )


def _problem_of_image(region: str, image: str) -> str:
    found = ec2_backends[ACCOUNT][region].amis.get(image)
    if found is None:
        return f"The image id '[{image}]' does not exist."
    return (
        "" if found.state == "available" else f"The image id '[{image}]' is not available: its state is {found.state}."
    )


def _problem_of_key(group: FakeAutoScalingGroup) -> str:
    """Return why the volumes of a launch cannot be encrypted: Auto Scaling needs rights in the policy of the key."""
    region, version = group.region, _version(group)
    keys = {mapping.get("Ebs", {}).get("KmsKeyId") for mapping in version.data.get("BlockDeviceMappings", ())}
    keys.add(vars(ec2_backends[ACCOUNT][region].amis[version.image_id]).get("kms_key_id"))
    for key in sorted(each for each in keys if each):
        if unusable(key, region) or not _grants(json.loads(find_key(key, region).policy or "{}")):
            return "Client.InternalError: Client error on launch."
    return ""


def _grants(policy: dict[str, Any]) -> bool:
    """Return whether a key policy lets the service-linked role of Auto Scaling create grants."""
    for each in policy.get("Statement", []):
        actions = each["Action"] if isinstance(each["Action"], list) else [each["Action"]]
        named = (each.get("Principal") or {}).get("AWS") if isinstance(each.get("Principal"), dict) else "*"
        only = each.get("Condition", {}).get("StringEquals", {}).get("aws:PrincipalArn")
        if each["Effect"] == "Allow" and "kms:CreateGrant" in actions and ROLE in (named, only):
            return True
    return False


def _publish(faults: Faults, group: FakeAutoScalingGroup, minute: datetime.datetime) -> None:
    """Publish the group's average, each minute with detailed monitoring and every five minutes without.

    Source: EC2 user guide, "Enable or turn off detailed monitoring for your EC2 instances".
    """
    running = [each for each in group.instance_states if each.lifecycle_state == IN_SERVICE]
    detailed = _version(group).data.get("Monitoring", {}).get("Enabled") in (True, "true")
    if not running or not (detailed or minute.minute % 5 == 0):
        return
    load = faults.load(group.region, group.name)
    data = {
        "MetricName": "CPUUtilization",
        "Value": IDLE_CPU if load is None else load,
        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group.name}],
        "Timestamp": minute.astimezone(datetime.UTC).replace(tzinfo=None),
        "Unit": "Percent",
    }
    cloudwatch_backends[ACCOUNT][group.region].put_metric_data("AWS/EC2", [data])


def _version(group: FakeAutoScalingGroup) -> Any:
    template: Any = group.ec2_launch_template
    return template.get_version(group.launch_template_version)


def _types(group: FakeAutoScalingGroup) -> list[str]:
    overrides = (group.mixed_instances_policy or {}).get("LaunchTemplate", {}).get("Overrides", [])
    return [each["InstanceType"] for each in overrides if "InstanceType" in each] or [_version(group).instance_type]


def _speed() -> float:
    return min(timings.speed(), clock.FASTEST)


def _record(group: FakeAutoScalingGroup, what: str, failure: str = "") -> None:
    """Add an activity to a group (Auto Scaling API reference, Activity)."""
    now = clock.now()
    activity = {
        "ActivityId": str(uuid4()),
        "AutoScalingGroupName": group.name,
        "Description": what,
        "Cause": f"At {now:%Y-%m-%dT%H:%M:%SZ} the group had another capacity than desired.",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": "Failed" if failure else "Successful",
        "Progress": 100,
    }
    state_of(group).activities.append(activity | ({"StatusMessage": failure} if failure else {}))
    del state_of(group).activities[:-100]
