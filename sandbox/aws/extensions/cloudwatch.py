"""CloudWatch: alarms are evaluated when they are described; SetAlarmState holds until the next evaluation."""

from __future__ import annotations

import datetime

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer
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
    return moto()


@answers("cloudwatch", "SetAlarmState")
def set_alarm_state(call: Call, moto: Moto) -> Answer:
    alarm = cloudwatch_backends[ACCOUNT][call.region].alarms.get(call.parameters["AlarmName"])
    before = alarm.state_value if alarm else ""
    answer = moto()
    if alarm and answer.status < 300:
        vars(alarm)["by_hand_until"] = clock.utcnow() + datetime.timedelta(seconds=STATE_SET_BY_HAND)
        alarms.changed(call.world, alarm, before)
    return answer
