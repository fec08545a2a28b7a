"""The documents of drills of a zone, a grey failure and a database: a compliant record each; tests break one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.drills import result
from dr.drills.catalog import DRILLS
from dr.drills.document import DrillDocument, Objectives, Verdict
from dr.drills.record import Record
from dr.drills.rows import Rows
from dr.drills.timeline import Pace
from dr.drills.writes import Write
from dr.drills.zones import Spread, Zones
from dr.operations.client_log import Request
from dr.operations.measurements import Alarm
from dr.operations.operation import FAILOVER, Plan, PlannedStep
from dr.operations.quorum import Sight, Signal
from dr.operations.step_runner import Outcome
from dr.operations.steps import State, modelled
from dr.operations.steps import Verdict as Evaluated
from dr.topology.tiers import Tier

FAULT = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
EAST, WEST, OUTAGE = "us-east-1", "us-west-2", 20.0
LOST = Spread(6, 0, {"us-east-1b": 3, "us-east-1c": 3}, {"us-east-1b": 3, "us-east-1c": 3})
BEFORE = Spread(6, 0, {f"us-east-1{zone}": 2 for zone in "abc"}, {f"us-east-1{zone}": 2 for zone in "abc"})
AFTER = replace(LOST, nodes={**LOST.nodes, "us-east-1a": 1})


def at(seconds: float) -> datetime:
    return FAULT + timedelta(seconds=seconds)


def record(drill: str) -> Record:
    """Return a record without what is particular to a drill; the clock runs as the machine's."""
    made = Record(DRILLS[drill], "20261129T115900Z-a1b2c3", Tier.PILOT, EAST, WEST, "east", "g5.2xlarge", at(-60), [])
    made.paces.append(Pace(at(-60), at(-60), 1.0))
    made.fault_at, made.firing = FAULT, []
    made.writes = [Write("drill/1", at(-1), survived=True)]
    return made


def of_zone() -> Record:
    made = record("zone-loss")
    made.zones = Zones("us-east-1a", BEFORE, LOST, AFTER, "", ("OK", at(-600)))
    return made


def of_grey_failure() -> Record:
    made = record("grey-failure")
    steps = FAILOVER.steps()
    planned = tuple(PlannedStep(each, Evaluated(State.NEEDED, ""), modelled(each)) for each in steps)
    made.made = Plan("failover", "a", False, WEST, (), planned, (), timedelta(minutes=1))
    made.outcomes = [Outcome(each.name, each.title, True, "", at(4), timedelta(seconds=1)) for each in steps]
    made.detected, made.stopped_at, made.failed_back = at(3), at(3), True
    made.shown = [Signal("request", Sight.LOST, "3 of 6 inference requests got no prediction", grey=True)]
    names = ("primary-silent", "sentinel-stale")
    made.witnesses = {name: Alarm(name, WEST, "OK", at(-600)) for name in names}
    return made


def of_database_loss() -> Record:
    made = of_grey_failure()
    made.drill, made.shown, made.witnesses, made.stopped_at = DRILLS["database-loss"], [], None, None
    made.writes = [Write("drill/1", at(-1), survived=True)]
    made.rows = Rows("ml-dr-primary", "ml-dr-recovery", lag_seconds=0.25, writer="ml-dr-recovery", recovered=at(600))
    made.rows.returned, made.rows.left = "ml-dr-primary", ""
    return made


def requests(region: str = EAST, outage: float = OUTAGE) -> list[Request]:
    """Return two requests a second: a third of those in the outage fail, and the rest are answered by the region."""
    found = []
    for number in range(-20, 160):
        sent, failed = at(number / 2), 0 <= number / 2 < outage and number % 3 == 0
        found.append(
            Request(
                number + 20,
                sent,
                sent,
                0,
                "192.0.2.1",
                region,
                None if failed else 200,
                0.1,
                0.1,
                "v1",
                None if failed else True,
                "TimeoutError" if failed else "",
            )
        )
    return found


def judged(made: Record, log: list[Request] | None = None) -> tuple[DrillDocument, dict[str, Verdict]]:
    found = result.document(made, requests() if log is None else log, "a", {}, at(120))
    return found, {each.name: each.verdict for each in found.judgements}


def test_loss_of_a_zone_is_met_within_the_time_of_health_checks_of_replicas() -> None:
    found, verdicts = judged(of_zone())

    assert found.verdict is Verdict.MET, found.judgements
    assert set(verdicts) == {"effect", "rto", "rpo", "answers", "operation", "alarms", "no-failover", "replicas"}
    assert found.objectives == Objectives(26.0, 0.0)
    assert found.rto_seconds == pytest.approx(OUTAGE - 0.4, abs=0.6)
    assert found.rto_error_seconds == 0.5


def test_loss_of_a_zone_that_lasts_longer_than_health_checks_is_missed() -> None:
    assert judged(of_zone(), requests(outage=40))[1]["rto"] is Verdict.MISSED


def test_loss_of_a_zone_that_fails_no_request_is_missed() -> None:
    assert judged(of_zone(), requests(outage=0))[1]["effect"] is Verdict.MISSED


def test_loss_of_a_zone_in_which_a_write_is_lost_is_missed() -> None:
    made = of_zone()
    made.writes.append(Write("drill/2", at(-2), survived=False))
    found, verdicts = judged(made)

    assert verdicts["rpo"] is Verdict.MISSED
    assert [each.name for each in found.lost_writes] == ["s3://east/drill/2"]


def test_loss_of_a_zone_after_which_clients_are_moved_is_missed() -> None:
    assert judged(of_zone(), requests(region=WEST))[1]["no-failover"] is Verdict.MISSED


def test_loss_of_a_zone_whose_replicas_do_not_start_elsewhere_is_missed() -> None:
    made = of_zone()
    assert made.zones
    made.zones.lost = replace(LOST, replicas={"us-east-1b": 2, "us-east-1c": 2}, waiting=2)

    assert judged(made)[1]["replicas"] is Verdict.MISSED


def test_loss_of_a_zone_with_an_alarm_that_stays_is_missed() -> None:
    made = of_zone()
    made.firing = ["ml-dr-nodes-short-a"]

    assert judged(made)[1]["alarms"] is Verdict.MISSED


def test_loss_of_a_zone_with_an_error_of_the_drill_is_missed() -> None:
    made = of_zone()
    made.problems.append("failed: clients: they have ended")

    assert judged(made)[1]["operation"] is Verdict.MISSED


def test_grey_failure_is_met_with_the_objectives_of_the_tier() -> None:
    found, verdicts = judged(of_grey_failure())

    assert found.verdict is Verdict.MET, found.judgements
    assert {"detection", "health-checks"} <= set(verdicts)
    pilot = Tier.PILOT.spec
    assert found.objectives == Objectives(pilot.rto.total_seconds(), pilot.rpo.total_seconds())


def test_grey_failure_that_the_product_does_not_show_is_missed() -> None:
    made = of_grey_failure()
    made.shown, made.detected = [Signal("request", Sight.WELL, "answered 200")], None

    assert judged(made)[1]["detection"] is Verdict.MISSED


def test_grey_failure_that_stops_health_checks_is_missed() -> None:
    made = of_grey_failure()
    made.witnesses = {"primary-silent": Alarm("primary-silent", WEST, "ALARM", at(60))}

    assert judged(made)[1]["health-checks"] is Verdict.MISSED


def test_write_that_a_grey_region_accepted_before_the_failover_and_that_is_lost_is_listed_with_its_age() -> None:
    made = of_grey_failure()
    made.writes.append(Write("drill/2", at(1), survived=False))
    found, _ = judged(made)

    assert (found.rpo_seconds, found.lost_writes[0].age_seconds) == (2.0, 2.0)


def test_grey_failure_whose_failover_is_not_completed_is_missed() -> None:
    made = of_grey_failure()
    made.outcomes.pop()

    assert judged(made)[1]["operation"] is Verdict.MISSED


def test_loss_of_the_database_is_met_by_the_time_until_another_cluster_writes() -> None:
    found, verdicts = judged(of_database_loss())

    assert found.verdict is Verdict.MET, found.judgements
    assert {"rto", "rpo", "rows", "database", "detection"} <= set(verdicts)
    assert (found.rto_seconds, found.rto_error_seconds) == (600.0, None)
    (rows,) = [each.measured for each in found.judgements if each.name == "rows"]
    assert rows == "rows of 0.250 s, by the replication lag at the fault; no row was counted"


@pytest.mark.parametrize(
    ("field", "value", "judgement", "verdict"),
    [
        ("recovered", at(1801), "rto", Verdict.MISSED),
        ("recovered", None, "rto", Verdict.MISSED),
        ("writer", "ml-dr-primary", "rto", Verdict.MISSED),
        ("lag_seconds", 3601.0, "rows", Verdict.MISSED),
        ("lag_seconds", None, "rows", Verdict.UNKNOWN),
        ("returned", "ml-dr-recovery", "database", Verdict.MISSED),
        ("left", "ml-dr-recovery-incident", "database", Verdict.MISSED),
        ("left", None, "database", Verdict.UNKNOWN),
    ],
)
def test_loss_of_the_database_with_one_thing_broken_is_not_met(
    field: str, value: object, judgement: str, verdict: Verdict
) -> None:
    made = of_database_loss()
    assert made.rows
    setattr(made.rows, field, value)

    assert judged(made)[1][judgement] is verdict


def test_rows_that_are_counted_are_judged_by_the_oldest_lost_one_and_listed() -> None:
    made = of_database_loss()
    assert made.rows
    made.rows.acknowledged, made.rows.lost = {1: at(-3), 2: at(-2), 3: at(-1)}, {2: 2.0, 3: 1.0}
    found, verdicts = judged(made)

    assert verdicts["rows"] is Verdict.MET
    assert [each.name for each in found.lost_writes] == [
        f"postgresql://ml-dr-primary/dr_drill_rows/{number}" for number in (2, 3)
    ]
    (rows,) = [each.measured for each in found.judgements if each.name == "rows"]
    assert rows == "2 of 3 acknowledged rows lost, the oldest 2.0 s before the fault; the replication lag was 0.250 s"


def test_rows_that_are_not_compared_are_unknown_and_too_old_ones_are_missed() -> None:
    made = of_database_loss()
    assert made.rows
    made.rows.acknowledged = {1: at(-3)}
    assert judged(made)[1]["rows"] is Verdict.UNKNOWN

    made.rows.lost = {1: 4000.0}
    assert judged(made)[1]["rows"] is Verdict.MISSED
