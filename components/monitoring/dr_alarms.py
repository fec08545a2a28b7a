"""DrAlarms: the alarms of a stack, which notify the SNS topic of their region.

Costs $0.10 a month for a metric alarm and $0.50 for a composite one (CloudWatch pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import cloudwatch

from components.monitoring.alarm_rules import (
    AlarmRule,
    CompositeRule,
    busy_workers,
    certificate_expiring,
    gpu_group_rules,
)


@dataclass(frozen=True)
class FleetScaling:
    """What the alarms of a worker fleet change.

    Args:
        group: Name of its Auto Scaling group.
        grow_arn: ARN of the scaling policy that adds an instance.
    """

    group: pulumi.Output[str]
    grow_arn: pulumi.Output[str]


@dataclass(frozen=True)
class DrAlarmsArgs:
    """Arguments of `DrAlarms`.

    Args:
        prefix: Prefix of the alarms' names: "ml-dr".
        region: The region of the alarms.
        topic_arn: ARN of the SNS topic of that region.
        certificate_arn: ARN of the certificate of the region's inference endpoint.
        rules: Metric alarms.
        composites: Composite alarms on those.
        gpu_groups: Names of the Auto Scaling groups of GPU nodes by their zone's letter; empty without a cluster.
        fleets: Worker fleets by name.
        tags: Tags of every alarm.
    """

    prefix: str
    region: str
    topic_arn: pulumi.Input[str]
    certificate_arn: pulumi.Output[str]
    rules: Sequence[AlarmRule]
    composites: Sequence[CompositeRule] = ()
    gpu_groups: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    fleets: Mapping[str, FleetScaling] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class DrAlarms(pulumi.ComponentResource):
    """Metric alarms and composite alarms.

    Attributes:
        names: Names of all alarms.
    """

    names: Sequence[str]

    def __init__(self, name: str, args: DrAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:DrAlarms", name, None, opts)
        self._name, self._args = name, args
        alarms = [self._alarm(rule, rule.dimensions) for rule in args.rules]
        # Rules on names and ARNs that are outputs are made without them.
        expiring = certificate_expiring("")
        alarms.append(self._alarm(expiring, dict.fromkeys(expiring.dimensions, args.certificate_arn)))
        made = [expiring]
        for zone, group in args.gpu_groups.items():
            of_zone = gpu_group_rules(zone, "")
            alarms += [self._alarm(rule, dict.fromkeys(rule.dimensions, group)) for rule in of_zone]
            made += of_zone
        for fleet, scaling in args.fleets.items():
            busy = busy_workers(fleet, "")
            alarms.append(self._alarm(busy, dict.fromkeys(busy.dimensions, scaling.group), [scaling.grow_arn]))
            made.append(busy)
        for composite in args.composites:
            cloudwatch.CompositeAlarm(
                f"{name}-{composite.name}",
                alarm_name=f"{args.prefix}-{composite.name}",
                alarm_description=composite.description,
                alarm_rule=composite.expression(args.prefix),
                alarm_actions=[args.topic_arn],
                ok_actions=[args.topic_arn],
                region=args.region,
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(parent=self, depends_on=alarms),
            )
        names = [rule.name for rule in (*args.rules, *made)] + [composite.name for composite in args.composites]
        self.names = [f"{args.prefix}-{each}" for each in names]
        self.register_outputs({"names": self.names})

    def _alarm(
        self,
        rule: AlarmRule,
        dimensions: Mapping[str, pulumi.Input[str]],
        policies: Sequence[pulumi.Input[str]] = (),
    ) -> cloudwatch.MetricAlarm:
        args = self._args
        topics = [args.topic_arn] if rule.notifies else []
        return cloudwatch.MetricAlarm(
            f"{self._name}-{rule.name}",
            name=f"{args.prefix}-{rule.name}",
            alarm_description=rule.description,
            **_metric(rule, dimensions),
            evaluation_periods=rule.periods,
            threshold=rule.threshold,
            comparison_operator=rule.comparison,
            treat_missing_data=rule.missing,
            alarm_actions=[*topics, *policies] or None,
            ok_actions=topics or None,
            insufficient_data_actions=[args.topic_arn] if rule.unknown_notifies else None,
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _metric(rule: AlarmRule, dimensions: Mapping[str, pulumi.Input[str]]) -> dict[str, Any]:
    """Return the metric, or the difference of two metrics, that is compared with the threshold."""
    if not rule.subtract:
        return {
            "namespace": rule.namespace,
            "metric_name": rule.metric,
            "dimensions": dict(dimensions),
            "statistic": rule.statistic,
            "period": rule.period,
        }
    both = {"desired": rule.metric, "in_service": rule.subtract}
    queries = [
        cloudwatch.MetricAlarmMetricQueryArgs(
            id=id,
            metric=cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=rule.namespace,
                metric_name=metric,
                dimensions=dict(dimensions),
                stat=rule.statistic,
                period=rule.period,
            ),
        )
        for id, metric in both.items()
    ]
    difference = cloudwatch.MetricAlarmMetricQueryArgs(
        id="difference", expression=" - ".join(both), label=f"{rule.metric} - {rule.subtract}", return_data=True
    )
    return {"metric_queries": [*queries, difference]}
