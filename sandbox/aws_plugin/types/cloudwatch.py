"""Metric and composite alarms.

After internal/service/cloudwatch/{metric,composite}_alarm.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, Found, tagged
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType


def _put_alarm(alarm: Resource) -> None:
    arguments = alarm.arguments("put_metric_alarm")
    if "ThresholdMetricId" not in arguments:
        arguments.setdefault("Threshold", 0)
    alarm.send("put_metric_alarm", **arguments)


def _delete_alarm(alarm: Resource) -> None:
    alarm.send("delete_alarms", AlarmNames=[alarm.id])


def _period(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    period = inputs.get("period", 60)
    if period not in (10, 20, 30) and (period < 60 or period % 60):
        yield "period", f"{period} s is not 10, 20, 30 or a multiple of 60"


def _actions(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("alarmActions", "okActions", "insufficientDataActions"):
        for index, action in enumerate(inputs.get(name, ())):
            if not re.match(r"arn:aws[\w-]*:", action):
                yield f"{name}[{index}]", f"{action!r} is not an ARN"


METRIC = ("metricName", "namespace", "period", "statistic", "extendedStatistic", "dimensions", "unit")
ALARM = ResourceType(
    token="aws:cloudwatch/metricAlarm:MetricAlarm",
    service="cloudwatch",
    shape="PutMetricAlarmInput",
    properties="""name=AlarmName! alarmDescription actionsEnabled alarmActions:set okActions:set
                  insufficientDataActions:set namespace metricName dimensions statistic extendedStatistic period unit
                  evaluationPeriods! datapointsToAlarm threshold thresholdMetricId comparisonOperator! treatMissingData
                  evaluateLowSampleCountPercentiles=EvaluateLowSampleCountPercentile
                  metricQueries=Metrics:set{id! accountId expression label period returnData
                      metric=MetricStat{metricName=Metric.MetricName! namespace=Metric.Namespace
                                        dimensions=Metric.Dimensions period! stat! unit}}""",
    outputs="arn=AlarmArn:string",
    identity="{AlarmName}",
    auto_name=AutoName("name", 255),
    defaults={"actionsEnabled": True, "treatMissingData": "missing"},
    computed=frozenset({"threshold", "evaluateLowSampleCountPercentiles"}),
    replace_on=frozenset({"name"}),
    allowed={
        "treatMissingData": ("missing", "ignore", "breaching", "notBreaching"),
        "evaluateLowSampleCountPercentiles": ("evaluate", "ignore"),
    },
    exclusive=(
        *(("metricQueries", name) for name in METRIC),
        ("statistic", "extendedStatistic"),
        ("threshold", "thresholdMetricId"),
    ),
    needs={"": ("metricName", "metricQueries"), "metricName": ("statistic", "extendedStatistic")},
    checks=(_period, _actions),
    create=_put_alarm,
    read=Found("describe_alarms", "AlarmNames", "MetricAlarms", {"AlarmTypes": ["MetricAlarm"]}),
    update=(("", _put_alarm),),
    delete=_delete_alarm,
    tags=tagged("ResourceARN", "arn"),
)


COMPOSITE_ALARM = ResourceType(
    token="aws:cloudwatch/compositeAlarm:CompositeAlarm",
    service="cloudwatch",
    shape="PutCompositeAlarmInput",
    properties="""alarmName! alarmRule! alarmDescription actionsEnabled alarmActions:set okActions:set
                  insufficientDataActions:set""",
    outputs="arn=AlarmArn:string",
    identity="{AlarmName}",
    defaults={"actionsEnabled": True},
    replace_on=frozenset({"alarmName", "actionsEnabled"}),
    checks=(_actions,),
    create=Call("put_composite_alarm"),
    read=Found("describe_alarms", "AlarmNames", "CompositeAlarms", {"AlarmTypes": ["CompositeAlarm"]}),
    update=(("", Call("put_composite_alarm")),),
    delete=_delete_alarm,
    tags=tagged("ResourceARN", "arn"),
    # The alarms in its rule may be created at the same time.
    retries=("does not exist",),
)

TYPES = (ALARM, COMPOSITE_ALARM)
