from __future__ import annotations

import datetime
from typing import Any

import pytest

from sandbox.server import Running
from tests.support.buckets import RECOVERY

ALARM = {
    "AlarmName": "engaged",
    "Namespace": "DR/Levers",
    "MetricName": "Engage",
    "Dimensions": [{"Name": "Deployment", "Value": "dr"}],
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "missing",
}


@pytest.fixture
def cloudwatch(aws: Running) -> Any:
    return aws.client("cloudwatch", RECOVERY)


@pytest.mark.parametrize(
    ("values", "missing", "expected"),
    [
        ((), "missing", "INSUFFICIENT_DATA"),
        ((), "breaching", "ALARM"),
        ((), "notBreaching", "OK"),
        ((), "ignore", "INSUFFICIENT_DATA"),
        ((1, 1, 1), "missing", "ALARM"),
        ((1, 0, 1), "missing", "OK"),
        ((0,), "missing", "OK"),
        ((1,), "missing", "ALARM"),
        ((1,), "breaching", "ALARM"),
        ((1,), "notBreaching", "OK"),
        ((1,), "ignore", "INSUFFICIENT_DATA"),
        ((0,), "breaching", "OK"),
    ],
)
def test_an_alarm_has_the_state_that_its_datapoints_demand(
    cloudwatch: Any, values: tuple[int, ...], missing: str, expected: str
) -> None:
    cloudwatch.put_metric_alarm(**ALARM | {"TreatMissingData": missing})
    _publish(cloudwatch, *values)
    assert _state(cloudwatch) == expected


def test_datapoints_to_alarm_of_all_periods_are_enough(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM, DatapointsToAlarm=2)
    _publish(cloudwatch, 1, 0, 1)
    assert _state(cloudwatch) == "ALARM"


def test_datapoints_of_other_dimensions_and_old_datapoints_are_ignored(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_metric_data(Namespace="DR/Levers", MetricData=[{"MetricName": "Engage", "Value": 1}])
    _publish(cloudwatch, 1, minutes_ago=60)
    assert _state(cloudwatch) == "INSUFFICIENT_DATA"


def test_an_alarm_that_is_put_again_keeps_its_state(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.set_alarm_state(AlarmName="engaged", StateValue="ALARM", StateReason="drill")
    cloudwatch.put_metric_alarm(**ALARM | {"TreatMissingData": "ignore"})
    assert _state(cloudwatch) == "ALARM"


def test_a_state_set_by_hand_holds_until_the_next_evaluation(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    _publish(cloudwatch, 0, 0, 0)
    assert _state(cloudwatch) == "OK"
    cloudwatch.set_alarm_state(AlarmName="engaged", StateValue="ALARM", StateReason="drill")
    assert _state(cloudwatch) == "ALARM"


def _publish(cloudwatch: Any, *values: int, minutes_ago: int = 0) -> None:
    """Put one value per minute, the last of them now."""
    now = datetime.datetime.now(datetime.UTC)
    for age, value in enumerate(reversed(values), minutes_ago):
        datum = {
            "MetricName": "Engage",
            "Dimensions": ALARM["Dimensions"],
            "Value": value,
            "Timestamp": now - datetime.timedelta(minutes=age),
        }
        cloudwatch.put_metric_data(Namespace="DR/Levers", MetricData=[datum])


def _state(cloudwatch: Any) -> str:
    return str(cloudwatch.describe_alarms(AlarmNames=["engaged"])["MetricAlarms"][0]["StateValue"])
