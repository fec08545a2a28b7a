"""GroupMetrics: enables Auto Scaling group metrics of node groups, which the alarm on missing nodes needs.

EKS does not enable them when it creates or replaces a node group's Auto Scaling group (EKS user guide, "Enable Auto
Scaling group metrics collection", which uses a custom Lambda function). Here EventBridge Scheduler calls Auto
Scaling every minute; the call is idempotent. The metrics are free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.compute.cluster_iam import enable_group_metrics
from components.monitoring.alarm_rules import DESIRED, IN_SERVICE
from components.monitoring.minute_schedule import MinuteSchedule, MinuteScheduleArgs

ENABLE = "arn:aws:scheduler:::aws-sdk:autoscaling:enableMetricsCollection"
"""Universal target (EventBridge Scheduler user guide, "Using universal targets")."""


@dataclass(frozen=True)
class GroupMetricsArgs:
    """Arguments of `GroupMetrics`.

    Args:
        name: The schedule's name.
        account: The AWS account's twelve digits.
        region: The region.
        cluster: Name of the cluster that owns the group.
        groups: Names of the Auto Scaling groups by their zone's letter; empty without a cluster: then only the role is
            created.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    cluster: str
    groups: Mapping[str, pulumi.Output[str]]
    tags: Mapping[str, str] = field(default_factory=dict)


class GroupMetrics(pulumi.ComponentResource):
    """Schedules that enable the metrics of each group every minute, and their role."""

    def __init__(self, name: str, args: GroupMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:GroupMetrics", name, None, opts)
        MinuteSchedule(
            f"{name}-schedule",
            MinuteScheduleArgs(
                name=args.name,
                account=args.account,
                region=args.region,
                purpose="Enables Auto Scaling group metrics of GPU nodes",
                target_arn=ENABLE,
                inputs={zone: group.apply(_enable) for zone, group in args.groups.items()},
                policy=enable_group_metrics(args.cluster, args.account, args.region),
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _enable(group: str) -> str:
    """Return the parameters of the call."""
    return json.dumps({"AutoScalingGroupName": group, "Granularity": "1Minute", "Metrics": [DESIRED, IN_SERVICE]})
