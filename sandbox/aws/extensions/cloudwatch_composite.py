"""Composite alarms: rules over the states of other alarms of the region, and what an alarm has been through.

After "Create a composite alarm" of the CloudWatch user guide. Actions suppressors are not emulated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.cloudwatch.models import Alarm, cloudwatch_backends

from sandbox.aws.call import ACCOUNT, AwsError, Call, NotEmulatedError
from sandbox.aws.extensions import Moto, answers

TOKEN = re.compile(
    r"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?P<name>"[^"]+"|[^\s()"]+)\s*\)"""
    r"""|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<sign>[()]))\s*"""
)
StateOf = Callable[[str], str]
Condition = Callable[[StateOf], bool]


def parse(rule: str) -> tuple[Condition, list[str]]:
    """A rule as a condition, and the names of the alarms in it. Raises ValueError."""
    tokens, place = list[re.Match[str]](), 0
    while place < len(rule):
        found = TOKEN.match(rule, place)
        if not found:
            raise ValueError(f"not understood: {rule[place:][:40]!r}")
        tokens.append(found)
        place = found.end()
    condition, rest = _either(tokens)
    if rest:
        raise ValueError(f"not expected: {rest[0].group().strip()!r}")
    return condition, [_name(token) for token in tokens if token["name"]]


Tokens = list[re.Match[str]]


def _name(token: re.Match[str]) -> str:
    """An alarm's name, which its ARN ends with."""
    return str(token["name"]).strip('"').rpartition(":alarm:")[2]


def _either(tokens: Tokens) -> tuple[Condition, Tokens]:
    one, rest = _both(tokens)
    while rest and rest[0]["word"] == "OR":
        other, rest = _both(rest[1:])
        one = _joined(any, one, other)
    return one, rest


def _both(tokens: Tokens) -> tuple[Condition, Tokens]:
    one, rest = _single(tokens)
    while rest and rest[0]["word"] == "AND":
        other, rest = _single(rest[1:])
        one = _joined(all, one, other)
    return one, rest


def _joined(how: Callable[[list[bool]], bool], one: Condition, other: Condition) -> Condition:
    return lambda state_of: how([one(state_of), other(state_of)])


def _single(tokens: Tokens) -> tuple[Condition, Tokens]:
    if not tokens:
        raise ValueError("it ends too early")
    first, rest = tokens[0], tokens[1:]
    if first["state"]:
        state, name = first["state"], _name(first)
        return lambda state_of: state_of(name) == state, rest
    if first["word"] in ("TRUE", "FALSE"):
        truth = first["word"] == "TRUE"
        return lambda state_of: truth, rest
    if first["word"] == "NOT":
        inner, rest = _single(rest)
        return lambda state_of: not inner(state_of), rest
    if first["sign"] == "(":
        inner, rest = _either(rest)
        if not rest or rest[0]["sign"] != ")":
            raise ValueError("a parenthesis is not closed")
        return inner, rest[1:]
    raise ValueError(f"not expected: {first.group().strip()!r}")


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
    alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
    vars(alarm)["told"] = vars(before).get("told", []) if before else []
    return {}


def state(alarm: Alarm) -> str:
    """OK or ALARM, from the alarms it names; one that is gone is in no state."""
    alarms = cloudwatch_backends[ACCOUNT][alarm.region_name].alarms
    condition, _ = parse(str(alarm.rule))
    return "ALARM" if condition(lambda name: alarms[name].state_value if name in alarms else "") else "OK"


@answers("cloudwatch", "DescribeAlarmHistory")
def history(call: Call, moto: Moto) -> dict[str, Any]:
    """Changes of state and what their actions came to, the newest first."""
    wanted, alarms = call.parameters, cloudwatch_backends[ACCOUNT][call.region].alarms
    chosen = [alarms[wanted["AlarmName"]]] if wanted.get("AlarmName") in alarms else []
    items = [item for alarm in (chosen if "AlarmName" in wanted else alarms.values()) for item in told(alarm)]
    kind = wanted.get("HistoryItemType")
    kept = [item for item in items if kind in (None, item["HistoryItemType"])]
    newest = sorted(kept, key=lambda item: item["Timestamp"], reverse=True)
    return {"AlarmHistoryItems": newest[: wanted.get("MaxRecords", 100)]}


def told(alarm: Alarm) -> list[dict[str, Any]]:
    """What an alarm has been through, oldest first."""
    kept: list[dict[str, Any]] = vars(alarm).setdefault("told", [])
    return kept
