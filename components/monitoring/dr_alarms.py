"""DrAlarms: the alarms of a stack, each telling the topic of the region it is in.

Costs $0.10 a month for a metric alarm and $0.50 for a composite one (CloudWatch pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import cloudwatch

from components.monitoring.alarm_rules import UNKNOWN, AlarmRule, CompositeRule, of_group


@dataclass(frozen=True)
class DrAlarmsArgs:
    """Arguments of `DrAlarms`.

    Args:
        prefix: How alarms' names begin: "ml-dr".
        region: The region they are in.
        topic_arn: Whom they tell: a topic of that region.
        rules: Alarms on metrics.
        composites: Alarms on those.
        gpu_group: Name of the GPU nodes' Auto Scaling group; None where no cluster runs.
        tags: Tags of every alarm.
    """

    prefix: str
    region: str
    topic_arn: pulumi.Input[str]
    rules: Sequence[AlarmRule]
    composites: Sequence[CompositeRule] = ()
    gpu_group: pulumi.Output[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class DrAlarms(pulumi.ComponentResource):
    """Alarms.

    Attributes:
        names: Names of all of them.
    """

    names: Sequence[str]

    def __init__(self, name: str, args: DrAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:DrAlarms", name, None, opts)
        self._name, self._args = name, args
        made = [self._alarm(rule, rule.dimensions) for rule in args.rules]
        group = args.gpu_group
        # The group's name is known once it is made; everything else of the rules before.
        of_nodes: list[AlarmRule] = []
        if group is not None:
            of_nodes = of_group("")
            made += [self._alarm(rule, dict.fromkeys(rule.dimensions, group)) for rule in of_nodes]
        for composite in args.composites:
            cloudwatch.CompositeAlarm(
                f"{name}-{composite.name}",
                alarm_name=f"{args.prefix}-{composite.name}",
                alarm_description=composite.says,
                alarm_rule=composite.expression(args.prefix),
                alarm_actions=[args.topic_arn],
                ok_actions=[args.topic_arn],
                region=args.region,
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(parent=self, depends_on=made),
            )
        names = [rule.name for rule in (*args.rules, *of_nodes)] + [composite.name for composite in args.composites]
        self.names = [f"{args.prefix}-{each}" for each in names]
        self.register_outputs({"names": self.names})

    def _alarm(self, rule: AlarmRule, dimensions: Mapping[str, pulumi.Input[str]]) -> cloudwatch.MetricAlarm:
        args = self._args
        return cloudwatch.MetricAlarm(
            f"{self._name}-{rule.name}",
            name=f"{args.prefix}-{rule.name}",
            alarm_description=rule.says,
            **_measured(rule, dimensions),
            evaluation_periods=rule.periods,
            threshold=rule.threshold,
            comparison_operator=rule.comparison,
            treat_missing_data=rule.missing,
            alarm_actions=[args.topic_arn],
            ok_actions=[args.topic_arn],
            insufficient_data_actions=[args.topic_arn] if rule.missing == UNKNOWN else None,
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _measured(rule: AlarmRule, dimensions: Mapping[str, pulumi.Input[str]]) -> dict[str, Any]:
    """What is compared with the threshold: a metric, or the difference of two."""
    if not rule.minus:
        return {
            "namespace": rule.namespace,
            "metric_name": rule.metric,
            "dimensions": dict(dimensions),
            "statistic": rule.statistic,
            "period": rule.period,
        }
    both = {"wanted": rule.metric, "there": rule.minus}
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
        id="difference", expression=" - ".join(both), label=f"{rule.metric} - {rule.minus}", return_data=True
    )
    return {"metric_queries": [*queries, difference]}
