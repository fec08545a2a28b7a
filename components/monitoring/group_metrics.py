"""GroupMetrics: has a node group report its sizes to CloudWatch, without which nobody knows that it cannot grow.

EKS does not turn that on, neither when it makes a group's Auto Scaling group nor when it replaces it (EKS user guide,
"Enable Auto Scaling group metrics collection", which does it by a function of one's own). Here a schedule calls Auto
Scaling itself, every minute: doing it twice does no harm. The metrics cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.compute.cluster_iam import report_groups
from components.monitoring.alarm_rules import DESIRED, IN_SERVICE
from components.monitoring.minute_schedule import MinuteSchedule, MinuteScheduleArgs

ENABLE = "arn:aws:scheduler:::aws-sdk:autoscaling:enableMetricsCollection"
"""A universal target (EventBridge Scheduler user guide, "Using universal targets")."""


@dataclass(frozen=True)
class GroupMetricsArgs:
    """Arguments of `GroupMetrics`.

    Args:
        name: The schedule's name.
        account: The AWS account's twelve digits.
        region: The region.
        cluster: Name of the cluster whose group it is.
        group: Name of the Auto Scaling group; None where no cluster runs, which leaves the role to be there.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    cluster: str
    group: pulumi.Output[str] | None
    tags: Mapping[str, str] = field(default_factory=dict)


class GroupMetrics(pulumi.ComponentResource):
    """The schedule and its role."""

    def __init__(self, name: str, args: GroupMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:GroupMetrics", name, None, opts)
        MinuteSchedule(
            f"{name}-schedule",
            MinuteScheduleArgs(
                name=args.name,
                account=args.account,
                region=args.region,
                does="Has GPU nodes reported on",
                target_arn=ENABLE,
                input=args.group.apply(_enable) if args.group is not None else None,
                policy=report_groups(args.cluster, args.account, args.region),
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _enable(group: str) -> str:
    """The call's parameters."""
    return json.dumps({"AutoScalingGroupName": group, "Granularity": "1Minute", "Metrics": [DESIRED, IN_SERVICE]})
