"""Group metrics of Auto Scaling groups, published every minute where they are enabled.

Source: "Amazon CloudWatch metrics for Amazon EC2 Auto Scaling" of its user guide. Only metrics of sizes are emulated. A
group without emulated instances publishes only at a desired size of 0, because its state is unknown otherwise.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.faults import Faults

NAMESPACE = "AWS/AutoScaling"


def _states(*lifecycle: str) -> Callable[[FakeAutoScalingGroup], int]:
    def count(group: FakeAutoScalingGroup) -> int:
        return sum(state.lifecycle_state in lifecycle for state in group.instance_states)

    return count


MEASURED: Mapping[str, Callable[[FakeAutoScalingGroup], int | None]] = {
    "GroupMinSize": lambda group: group.min_size,
    "GroupMaxSize": lambda group: group.max_size,
    "GroupDesiredCapacity": lambda group: group.desired_capacity,
    "GroupInServiceInstances": _states("InService"),
    "GroupPendingInstances": _states("Pending", "Pending:Wait", "Pending:Proceed"),
    "GroupTerminatingInstances": _states("Terminating", "Terminating:Wait", "Terminating:Proceed"),
    "GroupTotalInstances": lambda group: len(group.instance_states),
}


def publish(faults: Faults, minute: datetime.datetime) -> None:
    """Publish the enabled metrics of all groups for one minute."""
    time = minute.astimezone(datetime.UTC).replace(tzinfo=None)
    for region, backend in list(autoscaling_backends[ACCOUNT].items()):
        if faults.unreachable(region):
            continue
        for group in list(backend.autoscaling_groups.values()):
            if data := _data(group, time):
                cloudwatch_backends[ACCOUNT][region].put_metric_data(NAMESPACE, data)


def _data(group: FakeAutoScalingGroup, time: datetime.datetime) -> list[dict[str, Any]]:
    emulated = group.instance_states or getattr(group, "activities", [])
    if group.desired_capacity and not emulated:
        return []
    of = [{"Name": "AutoScalingGroupName", "Value": group.name}]
    return [
        {"MetricName": name, "Value": MEASURED[name](group) or 0, "Dimensions": of, "Timestamp": time, "Unit": "None"}
        for name in group.metrics
        if name in MEASURED
    ]
