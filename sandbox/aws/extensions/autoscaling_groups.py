"""Auto Scaling groups with a launch template: what AWS refuses, sizes, and instance refreshes, which moto lacks.

sandbox/aws/behaviours/fleets.py starts and ends their instances.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import fleets
from sandbox.aws.behaviours.group_metrics import MEASURED
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

_moto_set = FakeAutoScalingGroup.set_desired_capacity
_moto_replace = FakeAutoScalingGroup.replace_autoscaling_group_instances


def _set_desired(group: FakeAutoScalingGroup, new_capacity: int | None) -> None:
    """Set the size only; moto launches at once."""
    if not fleets.owns(group):
        _moto_set(group, new_capacity)
        return
    group.desired_capacity = (group.min_size or 0) if new_capacity is None else new_capacity


def _replace(group: FakeAutoScalingGroup, count_needed: int, propagated_tags: dict[str, str]) -> None:
    if not fleets.owns(group):
        _moto_replace(group, count_needed, propagated_tags)


FakeAutoScalingGroup.set_desired_capacity = _set_desired  # type: ignore[method-assign, assignment]
FakeAutoScalingGroup.replace_autoscaling_group_instances = _replace  # type: ignore[method-assign, assignment]


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationError", text)


def group_of(call: Call) -> FakeAutoScalingGroup:
    """Return the group that a call names. Raises AwsError."""
    groups: dict[str, FakeAutoScalingGroup] = autoscaling_backends[ACCOUNT][call.region].autoscaling_groups
    name = call.parameters["AutoScalingGroupName"]
    if name not in groups:
        raise _invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return groups[name]


def _check_sizes(least: int, most: int, desired: int | None) -> None:
    """Refuse sizes that contradict each other (Auto Scaling API reference, CreateAutoScalingGroup)."""
    if least > most:
        raise _invalid(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if desired is not None and not least <= desired <= most:
        raise _invalid(f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")


def _check_template(call: Call) -> None:
    """Refuse a launch template that cannot launch: Auto Scaling checks it when it is set, in its own region."""
    mixed = call.parameters.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    named = call.parameters.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification") or {}
    if id := named.get("LaunchTemplateId"):
        problem = fleets.problem_of_template(call.region, id, named.get("Version", "$Default"))
        if problem:
            raise _invalid(f"You must use a valid fully-formed launch template. {problem}")


@answers("autoscaling", "CreateAutoScalingGroup")
def create_group(call: Call, moto: Moto) -> Answer:
    """Refuse a present name, contradicting sizes and an unusable launch template."""
    wanted = call.parameters
    if wanted["AutoScalingGroupName"] in autoscaling_backends[ACCOUNT][call.region].autoscaling_groups:
        text = "AutoScalingGroup by this name already exists - A group with the name already exists"
        raise AwsError("AlreadyExists", text)
    _check_sizes(wanted["MinSize"], wanted["MaxSize"], wanted.get("DesiredCapacity"))
    _check_template(call)
    answer = moto()
    if answer.status < 300 and fleets.owns(group := group_of(call)):
        fleets.step(call.world.faults, group)
    return answer


@answers("autoscaling", "UpdateAutoScalingGroup")
def update_group(call: Call, moto: Moto) -> Answer:
    """Keep what the call does not name, and change the desired size as the new bounds demand.

    Auto Scaling API reference, UpdateAutoScalingGroup: a higher minimum than the size, or a lower maximum, changes the
    desired capacity, unless the call sets it.
    """
    group, wanted = group_of(call), call.parameters
    if not fleets.owns(group):
        return moto()
    least, most = wanted.get("MinSize", group.min_size or 0), wanted.get("MaxSize", group.max_size or 0)
    _check_sizes(least, most, wanted.get("DesiredCapacity"))
    _check_template(call)
    policy, version, desired = group.mixed_instances_policy, group.launch_template_version, group.desired_capacity or 0
    answer = moto()
    if answer.status >= 300:
        return answer
    if "MixedInstancesPolicy" not in wanted and "LaunchTemplate" not in wanted:
        group.mixed_instances_policy, group.launch_template_version = policy, version
    group.desired_capacity = wanted.get("DesiredCapacity", min(max(desired, least), most))
    fleets.step(call.world.faults, group)
    return answer


@answers("autoscaling", "SetDesiredCapacity")
def set_desired(call: Call, moto: Moto) -> Answer:
    """Refuse a size outside of the bounds (Auto Scaling API reference, SetDesiredCapacity)."""
    group = group_of(call)
    if fleets.owns(group):
        size = call.parameters["DesiredCapacity"]
        for side, bound, wrong in (
            ("below min", group.min_size or 0, size < (group.min_size or 0)),
            ("above max", group.max_size or 0, size > (group.max_size or 0)),
        ):
            if wrong:
                text = f"New SetDesiredCapacity value {size} is {side} value {bound} for the AutoScalingGroup."
                raise _invalid(text)
    answer = moto()
    if fleets.owns(group):
        fleets.step(call.world.faults, group)
    return answer


@answers("autoscaling", "DeleteAutoScalingGroup")
def delete_group(call: Call, moto: Moto) -> Answer:
    """Refuse to delete a group with instances, unless by force (Auto Scaling API reference)."""
    group = group_of(call)
    if fleets.owns(group) and group.instance_states and not call.parameters.get("ForceDelete"):
        text = (
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still"
        )
        raise AwsError("ResourceInUse", f"{text} in the group.")
    name = call.parameters["AutoScalingGroupName"]
    policies = autoscaling_backends[ACCOUNT][call.region].policies
    for each in [each for each in policies.values() if each.auto_scaling_group_name == name]:
        policies.pop(each.name)
    return moto()


@answers("autoscaling", "DescribeAutoScalingGroups", "DescribeAutoScalingInstances")
def describe(call: Call, moto: Moto) -> Answer:
    """Advance the groups first."""
    for group in list(autoscaling_backends[ACCOUNT][call.region].autoscaling_groups.values()):
        if fleets.owns(group):
            fleets.step(call.world.faults, group)
    return moto()


@answers("autoscaling", "PutScalingPolicy")
def put_policy(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Refuse a policy of a group that does not exist, and one without adjustments for its type."""
    group_of(call)
    wanted = call.parameters
    if wanted.get("PolicyType") == "StepScaling" and not wanted.get("StepAdjustments"):
        raise _invalid("At least one StepAdjustment must be specified for StepScaling policy type")
    answer = moto()
    if answer.status >= 300:
        return answer
    # moto answers with another member.
    return {"PolicyARN": autoscaling_backends[ACCOUNT][call.region].policies[wanted["PolicyName"]].arn, "Alarms": []}


@answers("autoscaling", "StartInstanceRefresh")
def start_refresh(call: Call, moto: Moto) -> dict[str, Any]:
    """Start to replace instances of other versions of the launch template."""
    group = group_of(call)
    state = fleets.state_of(group)
    if any(each["Status"] in fleets.RUNNING for each in state.refreshes):
        text = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
        raise AwsError("InstanceRefreshInProgress", text)
    id = str(uuid4())
    state.refreshes.insert(
        0,
        {
            "InstanceRefreshId": id,
            "AutoScalingGroupName": group.name,
            "Status": "Pending",
            "StartTime": clock.now(),
            "PercentageComplete": 0,
            "Preferences": call.parameters.get("Preferences", {}),
            "Strategy": call.parameters.get("Strategy", "Rolling"),
            "since": clock.now(),
        },
    )
    return {"InstanceRefreshId": id}


@answers("autoscaling", "CancelInstanceRefresh")
def cancel_refresh(call: Call, moto: Moto) -> dict[str, Any]:
    """End a refresh; replaced instances stay."""
    for each in fleets.state_of(group_of(call)).refreshes:
        if each["Status"] in fleets.RUNNING:
            each |= {"Status": "Cancelled", "EndTime": clock.now()}
            return {"InstanceRefreshId": each["InstanceRefreshId"]}
    raise AwsError("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")


@answers("autoscaling", "DescribeInstanceRefreshes")
def describe_refreshes(call: Call, moto: Moto) -> dict[str, Any]:
    """List the refreshes of a group, newest first, on one page."""
    group = group_of(call)
    fleets.step(call.world.faults, group)
    listed = [
        {key: value for key, value in each.items() if key != "since"} for each in fleets.state_of(group).refreshes
    ]
    ids = call.parameters.get("InstanceRefreshIds")
    return {"InstanceRefreshes": [each for each in listed if not ids or each["InstanceRefreshId"] in ids]}


@answers("autoscaling", "EnableMetricsCollection", "DisableMetricsCollection")
def collect_metrics(call: Call, moto: Moto) -> dict[str, Any]:
    """Add or remove metrics; without names, all. moto replaces the whole list, and disables none."""
    group, named = group_of(call), call.parameters.get("Metrics") or list(MEASURED)
    kept = [each for each in group.metrics if each not in named]
    group.metrics = kept if call.operation == "DisableMetricsCollection" else [*kept, *named]
    return {}


@answers("autoscaling", "CreateOrUpdateTags", "DeleteTags")
def change_tags(call: Call, moto: Moto) -> Answer:
    """Refuse tags of a group that does not exist."""
    for each in call.parameters["Tags"]:
        if each.get("ResourceId") not in autoscaling_backends[ACCOUNT][call.region].autoscaling_groups:
            raise _invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{each.get('ResourceId')}' not found")
    return moto()
