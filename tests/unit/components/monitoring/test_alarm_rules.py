from components.monitoring.alarm_rules import (
    AlarmRule,
    alerting_silent,
    busy_nodes,
    composites,
    missing_nodes,
    recovery_region_rules,
    replication,
)
from dr.topology import detection
from dr.topology.backups import Backups, DataClass, always_copied

OBJECTIVES = [Backups(data, every_hours=4 if data is DataClass.VOLUMES else 12) for data in DataClass]
COPIES = {each.data: each.rpo for each in OBJECTIVES}
FUNCTIONS = {"prober": "ml-dr-prober", "levers": "ml-dr-republisher"}


def rules() -> dict[str, AlarmRule]:
    made = recovery_region_rules("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, COPIES, always_copied(database=True))
    return {rule.name: rule for rule in made}


def test_replication_warnings_name_both_buckets_and_ignore_missing_data() -> None:
    made = replication("models", "one", "other", "to-us-west-2")

    assert [(rule.metric, rule.threshold) for rule in made] == [
        ("ReplicationLatency", 900),
        ("OperationsFailedReplication", 0),
        ("BytesPendingReplication", 50 * 2**30),
    ]
    assert {tuple(rule.dimensions.values()) for rule in made} == {("one", "other", "to-us-west-2")}
    assert {rule.missing for rule in made} == {"notBreaching"}


def test_only_functions_that_do_not_run_raise_an_alarm_on_missing_data() -> None:
    breaching = {name for name, rule in rules().items() if rule.missing == "breaching"}

    assert breaching == {"prober-failing", "levers-failing"}


def test_copies_are_late_after_26_hours_and_an_unmeasured_age_is_not_fine() -> None:
    rule = rules()["copies-late"]

    assert (rule.threshold, rule.missing) == (26 * 3600, "missing")


def test_copies_of_a_class_are_late_after_its_own_objective_and_notify_when_they_are_unknown() -> None:
    rule = rules()["copies-late-volumes"]

    assert (rule.threshold, rule.missing, rule.unknown_notifies) == (10 * 3600, "missing", True)
    assert rule.dimensions == {"Workload": "ml-dr", "DataClass": "volumes"}


def test_composite_alarms_name_existing_alarms() -> None:
    named = {name for each in composites("us-east-1", "us-west-2") for name in (*each.any_of, *each.all_of)}

    assert named <= rules().keys()


def test_region_impaired_needs_endpoint_and_sentinel_witnesses_and_a_working_prober() -> None:
    at_risk, impaired = composites("us-east-1", "us-west-2")

    assert impaired.expression("ml-dr") == (
        'ALARM("ml-dr-primary-silent") AND ALARM("ml-dr-sentinel-stale") AND NOT ALARM("ml-dr-prober-failing")'
    )
    assert at_risk.expression("ml-dr").count(" OR ") == 8


def test_witnesses_of_region_impaired_have_the_periods_of_the_detection_budget_and_do_not_notify() -> None:
    for name in ("primary-silent", "sentinel-stale"):
        rule = rules()[name]

        assert (rule.period, rule.periods) == (detection.SAMPLE_SECONDS, detection.PERIODS)
        assert not rule.notifies
    assert rules()["sentinel-stale"].threshold == detection.STALE_SECONDS


def test_an_endpoint_is_down_when_no_probe_of_three_minutes_succeeded() -> None:
    rule = rules()["primary-down"]

    assert (rule.statistic, rule.comparison, rule.threshold) == ("Maximum", "LessThanThreshold", 1)
    assert rule.period * rule.periods == 180


def test_busy_nodes_are_above_75_percent_for_two_periods_of_120_seconds() -> None:
    rule = busy_nodes("b", "eks-gpu")

    assert rule.description.startswith("GPU nodes of zone b have used more than 75 % CPU for 4 minutes")
    assert (rule.threshold, rule.period, rule.periods) == (75, 120, 2)
    assert rule.dimensions == {"AutoScalingGroupName": "eks-gpu"}


def test_watchdog_that_does_not_arrive_is_missing_data_and_notifies() -> None:
    rule = alerting_silent("ml-dr-watchdog")

    assert (rule.metric, rule.dimensions) == ("NumberOfMessagesPublished", {"TopicName": "ml-dr-watchdog"})
    assert (rule.missing, rule.unknown_notifies) == ("missing", True)


def test_missing_nodes_are_reported_after_five_minutes_and_missing_data_as_unknown() -> None:
    rule = missing_nodes("b", "eks-gpu")

    assert (rule.metric, rule.subtract) == ("GroupDesiredCapacity", "GroupInServiceInstances")
    assert (rule.threshold, rule.comparison, rule.periods * rule.period) == (0, "GreaterThanThreshold", 300)
    assert (rule.missing, rule.unknown_notifies) == ("missing", True)
