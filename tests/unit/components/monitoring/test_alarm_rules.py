import pytest

from components.monitoring.alarm_rules import busy_nodes, composites, decisive, replication, short_of_nodes

FUNCTIONS = {"prober": "ml-dr-prober", "levers": "ml-dr-republisher"}


def rules(serving: bool = True) -> dict[str, object]:
    return {rule.name: rule for rule in decisive("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, serving)}


def test_early_warnings_are_of_one_direction_of_a_pair_and_silence_is_peace() -> None:
    made = replication("models", "one", "other", "to-us-west-2")

    assert [(rule.metric, rule.threshold) for rule in made] == [
        ("ReplicationLatency", 900),
        ("OperationsFailedReplication", 0),
        ("BytesPendingReplication", 50 * 2**30),
    ]
    assert {tuple(rule.dimensions.values()) for rule in made} == {("one", "other", "to-us-west-2")}
    assert {rule.missing for rule in made} == {"notBreaching"}


def test_what_is_measured_from_the_recovery_region_is_trouble_when_it_is_missing() -> None:
    missing = {rule.name: rule.missing for rule in decisive("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, True)}

    assert {name for name, kind in missing.items() if kind == "notBreaching"} == {"copies-late"}


def test_the_recovery_endpoint_is_alarmed_only_where_its_tier_serves() -> None:
    assert rules(True).keys() - rules(False).keys() == {"recovery-down"}


@pytest.mark.parametrize("serving", [True, False])
def test_composites_are_about_alarms_that_there_are(serving: bool) -> None:
    named = {name for each in composites("us-east-1", "us-west-2", serving) for name in (*each.any_of, *each.all_of)}

    assert named <= rules(serving).keys()


def test_an_impaired_region_has_two_witnesses_and_a_prober_that_works() -> None:
    at_risk, impaired = composites("us-east-1", "us-west-2", False)

    assert impaired.expression("ml-dr") == (
        'ALARM("ml-dr-primary-down") AND ALARM("ml-dr-sentinel-late") AND NOT ALARM("ml-dr-prober-failing")'
    )
    assert at_risk.expression("ml-dr").count(" OR ") == 4


def test_a_prober_that_stops_is_known_of_before_its_gaps_count() -> None:
    periods = {rule.name: rule.periods for rule in decisive("ml-dr", "us-east-1", "us-west-2", FUNCTIONS, True)}

    assert periods["prober-failing"] < min(periods["primary-down"], periods["sentinel-late"])


def test_busy_nodes_are_above_75_percent_for_two_periods_of_120_seconds() -> None:
    rule = busy_nodes("eks-gpu")

    assert (rule.threshold, rule.period, rule.periods) == (75, 120, 2)
    assert rule.dimensions == {"AutoScalingGroupName": "eks-gpu"}


def test_nodes_that_do_not_come_are_told_of_after_five_minutes_and_so_is_not_knowing() -> None:
    rule = short_of_nodes("eks-gpu")

    assert (rule.metric, rule.minus) == ("GroupDesiredCapacity", "GroupInServiceInstances")
    assert (rule.threshold, rule.comparison, rule.periods * rule.period) == (0, "GreaterThanThreshold", 300)
    assert rule.missing == "missing"
