"""The recovery region's alarms, fed minute by minute with the metrics that the functions publish."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from components.monitoring.alarm_rules import AlarmRule, composites, recovery_region_rules
from dr.control.levers import NAMESPACE
from dr.functions.prober import ENDPOINT_METRIC, SENTINEL_METRIC, UNMEASURED_METRIC
from dr.topology.backups import DataClass, always_copied
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

COPIES = dict.fromkeys(DataClass, timedelta(hours=26))
FUNCTIONS = {"prober": "ml-dr-prober", "levers": "ml-dr-republisher"}
Control = Callable[..., Any]


def make(metrics: Any, rule: AlarmRule) -> None:
    metrics.put_metric_alarm(
        AlarmName=f"ml-dr-{rule.name}",
        Namespace=rule.namespace,
        MetricName=rule.metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in rule.dimensions.items()],
        Statistic=rule.statistic,
        Period=rule.period,
        EvaluationPeriods=rule.periods,
        Threshold=rule.threshold,
        ComparisonOperator=rule.comparison,
        TreatMissingData=rule.missing,
    )


class Watch:
    """The recovery region's alarms and the clock."""

    def __init__(self, metrics: Any, control: Control) -> None:
        self.metrics, self.control = metrics, control

    def minute(self, prober: bool = True, errors: int = 0, **values: float) -> set[str]:
        """Publish the functions' metrics of one minute, three samples, and return the firing alarms."""
        for _ in range(3):
            fires = self.sample(prober, errors, **values)
        return fires

    def sample(self, prober: bool = True, errors: int = 0, **values: float) -> set[str]:
        """Publish the functions' metrics of one sample, advance 20 seconds, and return the firing alarms."""
        if prober or errors:
            self._put("AWS/Lambda", "Errors", errors, {"FunctionName": FUNCTIONS["prober"]})
        self._put("AWS/Lambda", "Errors", 0, {"FunctionName": FUNCTIONS["levers"]})
        healthy = {"Workload": "ml-dr", "Region": PRIMARY}
        if prober:
            self._put(NAMESPACE, ENDPOINT_METRIC, values.get("primary", 1), healthy)
            if "recovery" in values:
                self._put(NAMESPACE, ENDPOINT_METRIC, values["recovery"], {**healthy, "Region": RECOVERY})
            self._put(NAMESPACE, SENTINEL_METRIC, values.get("sentinel", 30), {"Workload": "ml-dr"})
            self._put(NAMESPACE, UNMEASURED_METRIC, values.get("unmeasured", 0), {"Workload": "ml-dr"})
        self.control("POST", "clock", {"advance": 20})
        found = self.metrics.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        both = (*found["MetricAlarms"], *found["CompositeAlarms"])
        return {each["AlarmName"].removeprefix("ml-dr-") for each in both if each["StateValue"] == "ALARM"}

    def _put(self, namespace: str, name: str, value: float, of: dict[str, str]) -> None:
        dimensions = [{"Name": key, "Value": each} for key, each in of.items()]
        datum = {"MetricName": name, "Value": value, "Dimensions": dimensions}
        self.metrics.put_metric_data(Namespace=namespace, MetricData=[datum])


@pytest.fixture
def watch(aws: Running, control: Control) -> Watch:
    """The alarms after 15 minutes of normal operation."""
    metrics = aws.client("cloudwatch", RECOVERY)
    for rule in recovery_region_rules("ml-dr", PRIMARY, RECOVERY, FUNCTIONS, COPIES, always_copied(database=True)):
        make(metrics, rule)
    for composite in composites(PRIMARY, RECOVERY):
        metrics.put_composite_alarm(AlarmName=f"ml-dr-{composite.name}", AlarmRule=composite.expression("ml-dr"))
    made = Watch(metrics, control)
    for _ in range(15):
        fires = made.minute()
    assert fires == set()
    return made


@pytest.mark.parametrize("fails", [{"prober": False}, {"prober": False, "errors": 1}], ids=["silent", "failing"])
def test_stopped_or_failing_prober_never_raises_region_impaired(watch: Watch, fails: dict[str, Any]) -> None:
    seen = [watch.minute(**fails) for _ in range(12)]

    assert "prober-failing" in seen[-1]
    assert not any("region-impaired" in fires for fires in seen)
    back = [watch.minute() for _ in range(8)]
    assert back[-1] == set()
    assert not any("region-impaired" in fires for fires in back)


def test_region_impaired_requires_endpoint_and_sentinel_witnesses(watch: Watch) -> None:
    for _ in range(5):
        fires = watch.minute(primary=0)
    assert fires == {"primary-down", "primary-silent"}
    for _ in range(2):
        fires = watch.sample(primary=0, sentinel=90)
    assert fires == {"primary-down", "primary-silent", "sentinel-stale", "region-impaired"}
    for _ in range(5):
        fires = watch.minute(primary=0, sentinel=1200)
    assert fires >= {"sentinel-late", "recovery-at-risk", "region-impaired"}


def test_single_failed_samples_and_flapping_do_not_raise_region_impaired(watch: Watch) -> None:
    seen = [watch.sample(primary=0, sentinel=90) if number % 2 else watch.sample() for number in range(12)]

    assert seen == [set()] * 12


def test_a_missed_sample_does_not_raise_region_impaired(watch: Watch) -> None:
    seen = [watch.sample(prober=number % 3 > 0) for number in range(12)]

    assert seen == [set()] * 12


def test_unmeasured_values_raise_recovery_at_risk(watch: Watch) -> None:
    for _ in range(6):
        fires = watch.minute(unmeasured=1)
    assert fires == {"unmeasured", "recovery-at-risk"}


def test_recovery_down_fires_only_on_measured_outages(watch: Watch) -> None:
    seen = [watch.minute(recovery=1) for _ in range(4)]
    seen += [watch.minute() for _ in range(6)]
    assert seen == [set()] * 10
    for _ in range(4):
        fires = watch.minute(recovery=0)
    assert fires == {"recovery-down", "recovery-at-risk"}
