"""CloudWatch: alarms are evaluated when they are described; SetAlarmState holds until the next evaluation.

Answers about alarms are dated by the sandbox's clock, by which CloudWatch's times are.
"""

from __future__ import annotations

import datetime
from email.utils import format_datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import alarm_states, alarms
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

#: Seconds for which SetAlarmState holds, until the next evaluation.
STATE_SET_BY_HAND = 60


@answers("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(call: Call, moto: Moto) -> Answer:
    """A new alarm has INSUFFICIENT_DATA, an existing one keeps its state."""
    kept, name = cloudwatch_backends[ACCOUNT][call.region].alarms, call.parameters["AlarmName"]
    before = kept.get(name)
    answer = moto()
    alarm = kept.get(name)
    if alarm and alarm is not before:
        alarm_states.keep_state(alarm, before)
        alarm.history = before.history if before else []
    return answer


@answers("cloudwatch", "DescribeAlarms", "DescribeAlarmsForMetric")
def describe_alarms(call: Call, moto: Moto) -> Answer:
    alarms.evaluate(call.world, call.region)
    answer = moto()
    answer.headers["date"] = format_datetime(clock.now(), usegmt=True)
    return answer


@answers("cloudwatch", "GetMetricData")
def get_metric_data(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Return statistics of plain metrics. moto scans all data once a period, and ignores the namespace of a metric."""
    queries = call.parameters["MetricDataQueries"]
    if not all("MetricStat" in query for query in queries):
        return moto()
    start, end = (_seconds(call.parameters[name]) for name in ("StartTime", "EndTime"))
    if start >= end:
        raise AwsError("ValidationError", "The parameter EndTime must be greater than StartTime.")
    descending = call.parameters.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = []
    for query in queries:
        values = alarm_states.by_period(query["MetricStat"], call.region, start, end)
        times = sorted(values, reverse=descending)
        label = query.get("Label") or query["MetricStat"]["Metric"]["MetricName"]
        results.append(
            {
                "Id": query["Id"],
                "Label": label,
                "Timestamps": [datetime.datetime.fromtimestamp(each, datetime.UTC) for each in times],
                "Values": [values[each] for each in times],
                "StatusCode": "Complete",
            }
        )
    return {"MetricDataResults": results, "Messages": []}


def _seconds(time: datetime.datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).timestamp()


@answers("cloudwatch", "SetAlarmState")
def set_alarm_state(call: Call, moto: Moto) -> Answer:
    alarm = cloudwatch_backends[ACCOUNT][call.region].alarms.get(call.parameters["AlarmName"])
    before = alarm.state_value if alarm else ""
    answer = moto()
    if alarm and answer.status < 300:
        vars(alarm)["by_hand_until"] = clock.utcnow() + datetime.timedelta(seconds=STATE_SET_BY_HAND)
        alarms.changed(call.world, alarm, before)
    return answer
