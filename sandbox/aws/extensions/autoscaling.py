"""Auto Scaling: scaling activities of node groups, which moto does not record."""

from __future__ import annotations

from typing import Any

from moto.autoscaling.models import autoscaling_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers


@answers("autoscaling", "DescribeScalingActivities")
def describe_activities(call: Call, moto: Moto) -> dict[str, Any]:
    """List activities, newest first, on one page."""
    groups = autoscaling_backends[ACCOUNT][call.region].autoscaling_groups
    name = call.parameters.get("AutoScalingGroupName")
    if name and name not in groups:
        raise AwsError("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    wanted = [groups[name]] if name else list(groups.values())
    found = [activity for group in wanted for activity in getattr(group, "activities", ())]
    ids = call.parameters.get("ActivityIds")
    chosen = [activity for activity in found if not ids or activity["ActivityId"] in ids]
    return {"Activities": sorted(chosen, key=lambda each: each["StartTime"], reverse=True)}
