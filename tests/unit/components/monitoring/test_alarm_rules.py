import pytest

from components.monitoring.alarm_rules import (
    AlarmRule,
    busy_nodes,
    composites,
    missing_nodes,
    recovery_region_rules,
    replication,
)

FUNCTIONS = {"prober": "ml-dr-prober", "levers": "ml-dr-republisher"}


def rules(serving: bool = True) -> dict[str, AlarmRule]:
    return {rule.name: rule for rule in recovery_region_rules("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, serving)}


def test_replication_warnings_name_both_buckets_and_ignore_missing_data() -> None:
    made = replication("models", "one", "other", "to-us-west-2")

    assert [(rule.metric, rule.threshold) for rule in made] == [
        ("ReplicationLatency", 900),
        ("OperationsFailedReplication", 0),
        ("BytesPendingReplication", 50 * 2**30),
    ]
    assert {tuple(rule.dimensions.values()) for rule in made} == {("one", "other", "to-us-west-2")}
    assert {rule.missing for rule in made} == {"notBreaching"}


def test_missing_data_breaches_alarms_of_the_recovery_region_except_on_backup_copies() -> None:
    missing = {
        rule.name: rule.missing for rule in recovery_region_rules("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, True)
    }

    assert {name for name, kind in missing.items() if kind == "notBreaching"} == {"copies-late"}


def test_the_recovery_endpoint_has_an_alarm_only_in_tiers_that_serve() -> None:
    assert rules(True).keys() - rules(False).keys() == {"recovery-down"}


@pytest.mark.parametrize("serving", [True, False])
def test_composite_alarms_name_existing_alarms(serving: bool) -> None:
    named = {name for each in composites("us-east-1", "us-west-2", serving) for name in (*each.any_of, *each.all_of)}

    assert named <= rules(serving).keys()


def test_region_impaired_needs_endpoint_and_sentinel_alarms_and_a_working_prober() -> None:
    at_risk, impaired = composites("us-east-1", "us-west-2", False)

    assert impaired.expression("ml-dr") == (
        'ALARM("ml-dr-primary-down") AND ALARM("ml-dr-sentinel-late") AND NOT ALARM("ml-dr-prober-failing")'
    )
    assert at_risk.expression("ml-dr").count(" OR ") == 4


def test_a_failing_prober_is_reported_before_its_missing_data_breaches() -> None:
    periods = {
        rule.name: rule.periods for rule in recovery_region_rules("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, True)
    }

    assert periods["prober-failing"] < min(periods["primary-down"], periods["sentinel-late"])


def test_busy_nodes_are_above_75_percent_for_two_periods_of_120_seconds() -> None:
    rule = busy_nodes("eks-gpu")

    assert (rule.threshold, rule.period, rule.periods) == (75, 120, 2)
    assert rule.dimensions == {"AutoScalingGroupName": "eks-gpu"}


def test_missing_nodes_are_reported_after_five_minutes_and_missing_data_as_unknown() -> None:
    rule = missing_nodes("eks-gpu")

    assert (rule.metric, rule.subtract) == ("GroupDesiredCapacity", "GroupInServiceInstances")
    assert (rule.threshold, rule.comparison, rule.periods * rule.period) == (0, "GreaterThanThreshold", 300)
    assert rule.missing == "missing"
