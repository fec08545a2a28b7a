"""The state that an alarm's datapoints, or the rule of a composite alarm, call for; and the alarm's history.

Source: "Configuring how CloudWatch alarms treat missing data" of the CloudWatch user guide, for alarms on one metric
with a plain statistic, or on the difference of two. Alarms on other expressions, percentiles or anomaly bands keep the
state they have.
"""

from __future__ import annotations

import datetime
import json
import operator
import re
from collections.abc import Sequence
from typing import Any

from moto.cloudwatch.models import Alarm, MetricDatumBase, MetricStat, Statistics, cloudwatch_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours.composite_rules import parse
from sandbox.aws.behaviours.metric_data import between

COMPARE = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
SPARE_PERIODS = 2
"""Periods read beyond the evaluated ones, so that a late datapoint does not count as missing, as CloudWatch does."""
MINUS = re.compile(r"\s*(?P<first>[a-z]\w*)\s*-\s*(?P<second>[a-z]\w*)\s*")


def update(alarm: Alarm, now: datetime.datetime) -> None:
    """Set an alarm's state by its datapoints."""
    if now < getattr(alarm, "by_hand_until", now):
        return
    if alarm.metric_name and alarm.statistic:
        values = datapoints(alarm, alarm.region_name, now)
    elif both := difference(alarm):
        values = differences(both, int(alarm.evaluation_periods), alarm.region_name, now)
    else:
        return
    state = evaluate(values, alarm, alarm.treat_missing_data or "missing") or alarm.state_value
    if state != alarm.state_value:
        seen = f"{len(values)} datapoints {values} against the threshold {alarm.threshold}"
        alarm.update_state(f"Threshold Crossed: {seen}", json.dumps({"recentDatapoints": values}), state)


def datapoints(alarm: Any, region: str, now: datetime.datetime) -> list[float]:
    """The newest values, at most EvaluationPeriods of them, oldest first; a period without data has none.

    Args:
        alarm: An object with the attributes of moto's alarms.
        region: Region of the metric.
        now: Naive UTC, as all of moto's times.
    """
    wanted = int(alarm.evaluation_periods)
    values = by_age(alarm, alarm.statistic, int(alarm.period), wanted, region, now)
    return [values[age] for age in sorted(values, reverse=True)][-wanted:]


def difference(alarm: Alarm) -> tuple[MetricStat, MetricStat] | None:
    """The two metrics of an alarm on a difference; None for any other alarm."""
    stats = {query.id: query.metric_stat for query in alarm.metric_data_queries if query.metric_stat}
    expressions = [query.expression for query in alarm.metric_data_queries if query.expression]
    found = MINUS.fullmatch(expressions[0]) if len(expressions) == 1 else None
    if not found or not {found["first"], found["second"]} <= stats.keys():
        return None
    both = stats[found["first"]], stats[found["second"]]
    plain = all(stat.stat in ("Average", "Minimum", "Maximum", "Sum", "SampleCount") for stat in both)
    return both if plain and int(both[0].period) == int(both[1].period) else None


def differences(both: tuple[MetricStat, MetricStat], wanted: int, region: str, now: datetime.datetime) -> list[float]:
    """Like `datapoints`, of a difference: a period without either metric has no value."""
    period = int(both[0].period)
    first, second = (by_age(stat.metric, stat.stat, period, wanted, region, now) for stat in both)
    return [first[age] - second[age] for age in sorted(first.keys() & second.keys(), reverse=True)][-wanted:]


def by_age(
    metric: Any, statistic: str, period: int, wanted: int, region: str, now: datetime.datetime
) -> dict[int, float]:
    """A metric's values by age in periods; `metric` has the attributes of moto's metrics or alarms."""
    dimensions = [(dimension.name, dimension.value) for dimension in metric.dimensions]
    buckets: dict[int, list[MetricDatumBase]] = {}
    newest = int(now.replace(tzinfo=datetime.UTC).timestamp()) // period
    start, end = (newest - wanted - SPARE_PERIODS + 1) * period, (newest + 1) * period
    for at, datum in between(region, metric.namespace, metric.metric_name, dimensions, start, end):
        buckets.setdefault(newest - int(at) // period, []).append(datum)
    return {age: _statistic(statistic, data, now) for age, data in buckets.items()}


def by_period(stat: dict[str, Any], region: str, start: float, end: float) -> dict[int, float]:
    """Values of a metric between two times, by the start of their period; times in seconds since 1970.

    Args:
        stat: The metric, its statistic and period, as a MetricStat of the CloudWatch API.
        region: Region of the metric.
        start: Start of the time range, inclusive.
        end: End of the time range, exclusive.
    """
    metric, period = stat["Metric"], int(stat["Period"])
    dimensions = [(each["Name"], each["Value"]) for each in metric.get("Dimensions", [])]
    buckets: dict[int, list[MetricDatumBase]] = {}
    for at, datum in between(region, metric["Namespace"], metric["MetricName"], dimensions, start, end):
        buckets.setdefault(int(at) // period * period, []).append(datum)
    return {at: _statistic(stat["Stat"], data, data[0].timestamp) for at, data in buckets.items()}


def evaluate(values: Sequence[float], alarm: Any, missing: str) -> str | None:
    """OK, ALARM or INSUFFICIENT_DATA; None if missing data leaves the state unchanged."""
    periods = int(alarm.evaluation_periods)
    needed = int(alarm.datapoints_to_alarm or periods)
    breaches = COMPARE[alarm.comparison_operator]
    breaching = sum(bool(breaches(value, alarm.threshold)) for value in values)
    absent = periods - len(values)
    if not values:
        return {"breaching": "ALARM", "notBreaching": "OK", "ignore": None}.get(missing, "INSUFFICIENT_DATA")
    if missing == "breaching":
        breaching += absent
    if missing == "missing":
        needed = min(needed, len(values))
    if breaching >= needed:
        return "ALARM"
    if missing == "ignore" and breaching + absent >= needed:
        return None
    return "OK"


def _statistic(name: str, data: list[MetricDatumBase], now: datetime.datetime) -> float:
    statistics = Statistics([name], now)
    statistics.metric_data = data
    return float(statistics.get_statistics_for_type(name) or 0.0)


def rule_state(alarm: Alarm) -> str:
    """OK or ALARM, by the states of the alarms that a composite alarm names; a deleted alarm has none."""
    alarms = cloudwatch_backends[ACCOUNT][alarm.region_name].alarms
    condition, _ = parse(str(alarm.rule))
    return "ALARM" if condition(lambda name: alarms[name].state_value if name in alarms else "") else "OK"


def history(alarm: Alarm) -> list[dict[str, Any]]:
    """An alarm's history, oldest first; the caller may append to it."""
    kept: list[dict[str, Any]] = vars(alarm).setdefault("kept_history", [])
    return kept


def keep_state(alarm: Alarm, before: Alarm | None) -> None:
    """Give an alarm that was put again the state and history that it had; a new one has INSUFFICIENT_DATA."""
    alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
    vars(alarm)["kept_history"] = history(before) if before else []
