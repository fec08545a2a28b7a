"""CloudWatch: composite alarms, and the history of alarms.

Source: "Create a composite alarm" of the CloudWatch user guide. Actions suppressors are not emulated.
"""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours import alarm_states
from sandbox.aws.behaviours.composite_rules import parse
from sandbox.aws.call import Call, NotEmulatedError
from sandbox.aws.extensions import Moto, answers


@answers("cloudwatch", "PutCompositeAlarm")
def put(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, backend = call.parameters, cloudwatch_backends[ACCOUNT][call.region]
    if "ActionsSuppressor" in wanted:
        raise NotEmulatedError(call, " with an ActionsSuppressor")
    try:
        _, names = parse(wanted["AlarmRule"])
    except ValueError as error:
        raise AwsError("ValidationError", f"AlarmRule must be a valid rule: {error}") from error
    if missing := [name for name in names if name not in backend.alarms]:
        raise AwsError("ValidationError", f"AlarmRule names an alarm that does not exist: {', '.join(missing)}")
    before = backend.alarms.get(wanted["AlarmName"])
    alarm = backend.put_metric_alarm(
        name=wanted["AlarmName"],
        namespace="",
        metric_name="",
        comparison_operator="",
        evaluation_periods=0,
        period=0,
        threshold=0.0,
        statistic="",
        description=wanted.get("AlarmDescription", ""),
        dimensions=[],
        alarm_actions=wanted.get("AlarmActions", []),
        ok_actions=wanted.get("OKActions", []),
        insufficient_data_actions=wanted.get("InsufficientDataActions", []),
        actions_enabled=wanted.get("ActionsEnabled", True),
        rule=wanted["AlarmRule"],
        tags=wanted.get("Tags"),
    )
    alarm_states.keep_state(alarm, before)
    return {}


@answers("cloudwatch", "DescribeAlarmHistory")
def history(call: Call, moto: Moto) -> dict[str, Any]:
    """List changes of state and results of actions, newest first."""
    wanted, alarms = call.parameters, cloudwatch_backends[ACCOUNT][call.region].alarms
    chosen = [alarms[wanted["AlarmName"]]] if wanted.get("AlarmName") in alarms else []
    items = [
        item for alarm in (chosen if "AlarmName" in wanted else alarms.values()) for item in alarm_states.history(alarm)
    ]
    kind = wanted.get("HistoryItemType")
    kept = [item for item in items if kind in (None, item["HistoryItemType"])]
    newest = sorted(kept, key=lambda item: item["Timestamp"], reverse=True)
    return {"AlarmHistoryItems": newest[: wanted.get("MaxRecords", 100)]}
