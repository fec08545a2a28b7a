"""Evaluation of alarms, every minute and before they are described, and their actions.

A change of state runs the actions of the new state once. A topic gets CloudWatch's message if the policies of the topic
and of its key allow that. Functions as actions are not emulated. In an unreachable region nothing is evaluated or sent.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from moto.cloudwatch.models import Alarm, MetricStat, cloudwatch_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import alarm_states, fleets
from sandbox.aws.world import World

LOCK = threading.RLock()
"""Held during an evaluation, so that concurrent requests send one message for a change."""
ACTIONS = {"ALARM": "alarm_actions", "OK": "ok_actions", "INSUFFICIENT_DATA": "insufficient_data_actions"}
REGION_NAMES = {"us-east-1": "US East (N. Virginia)", "us-west-2": "US West (Oregon)", "eu-west-1": "EU (Ireland)"}


def regions_with_alarms() -> list[str]:
    """Regions with alarms."""
    return [region for region, backend in cloudwatch_backends[ACCOUNT].items() if backend.alarms]


def evaluate(world: World, region: str, below: int | None = None, minute: bool = False) -> None:
    """Update the states of a region's alarms: alarms on metrics first, since composite alarms depend on them.

    Args:
        world: The emulator's shared parts.
        region: The region.
        below: Only alarms on metrics with a shorter period, in seconds, and all composite alarms; None for all alarms.
        minute: Whether a minute has passed since the last evaluation.
    """
    if world.faults.unreachable(region):
        return
    with LOCK:
        alarms = list(cloudwatch_backends[ACCOUNT][region].alarms.values())
        now = clock.utcnow()
        for alarm in [each for each in alarms if each.rule is None]:
            if below and int(alarm.period or below) >= below:
                continue
            before = alarm.state_value
            alarm_states.update(alarm, now)
            changed(world, alarm, before)
            if alarm.state_value == before and below is None and minute:
                _scale_again(world, alarm)
        for alarm in [each for each in alarms if each.rule is not None]:
            before, state = alarm.state_value, alarm_states.rule_state(alarm)
            if state != before and now >= getattr(alarm, "by_hand_until", now):
                alarm.update_state(f"{alarm.rule} is {str(state == 'ALARM').lower()}", "{}", state)
            changed(world, alarm, before)


def changed(world: World, alarm: Alarm, before: str) -> None:
    """Run the actions of a new state, and record both in the alarm's history."""
    if alarm.state_value == before:
        return
    _note(alarm, "StateUpdate", f"Alarm updated from {before} to {alarm.state_value}")
    if not alarm.actions_enabled:
        return
    for action in getattr(alarm, ACTIONS[alarm.state_value]) or ():
        if ":scalingPolicy:" in action:
            refused = fleets.execute(world, action)
        elif ":sns:" in action:
            refused = world.messages.publish(action, _subject(alarm), json.dumps(_message(alarm, before)))
        else:
            refused = "the sandbox supports topics and scaling policies only"
        done = f"Failed to execute action {action}: {refused}" if refused else f"Successfully executed action {action}"
        _note(alarm, "Action", done)


def _scale_again(world: World, alarm: Alarm) -> None:
    """Run the scaling policies of the present state again.

    CloudWatch runs other actions once for a change, and Auto Scaling actions once a minute while the state lasts
    (CloudWatch user guide, "Alarm actions").
    """
    if alarm.actions_enabled:
        for action in getattr(alarm, ACTIONS[alarm.state_value]) or ():
            if ":scalingPolicy:" in action:
                fleets.execute(world, action)


def _note(alarm: Alarm, kind: str, summary: str) -> None:
    alarm_states.history(alarm).append(
        {
            "AlarmName": alarm.name,
            "AlarmType": "CompositeAlarm" if alarm.rule else "MetricAlarm",
            "Timestamp": clock.now(),
            "HistoryItemType": kind,
            "HistorySummary": summary,
            "HistoryData": "{}",
        }
    )


def _subject(alarm: Alarm) -> str:
    region = REGION_NAMES.get(alarm.region_name, alarm.region_name)
    return f'{alarm.state_value}: "{alarm.name}" in {region}'


def _message(alarm: Alarm, before: str) -> dict[str, Any]:
    """CloudWatch's message (CloudWatch user guide, "Notify users on alarm changes")."""
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": f"{alarm.configuration_updated_timestamp.isoformat()}Z",
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": f"{alarm.state_updated_timestamp.isoformat()}Z",
        "Region": REGION_NAMES.get(alarm.region_name, alarm.region_name),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
    }
    if alarm.rule:
        return message | {"AlarmRule": alarm.rule}
    trigger = {
        **_measured(alarm),
        "EvaluationPeriods": alarm.evaluation_periods,
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data or "missing",
    }
    return message | {"Trigger": trigger}


def _measured(alarm: Alarm) -> dict[str, Any]:
    """The part of a message about the metric, or the metrics of an expression."""
    if not alarm.metric_data_queries:
        return {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": str(alarm.statistic).upper(),
            "Dimensions": _dimensions(alarm),
            "Period": alarm.period,
        }
    return {
        "Metrics": [
            {"Id": query.id, "ReturnData": query.return_data}
            | ({"Expression": query.expression, "Label": query.label} if query.expression else {})
            | ({"MetricStat": _stat(query.metric_stat)} if query.metric_stat else {})
            for query in alarm.metric_data_queries
        ]
    }


def _stat(stat: MetricStat) -> dict[str, Any]:
    metric = stat.metric
    about = {"Namespace": metric.namespace, "MetricName": metric.metric_name, "Dimensions": _dimensions(metric)}
    return {"Metric": about, "Period": stat.period, "Stat": stat.stat}


def _dimensions(of: Any) -> list[dict[str, str]]:
    return [{"name": one.name, "value": one.value} for one in of.dimensions]
