"""Conditions of a drill's verdict: one compliant example each, and each test breaks one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.drills import judgements
from dr.drills.document import Judgement, LostWrite, Objectives, Requests, Verdict, overall
from dr.drills.zones import Spread, Zones
from dr.operations.client_log import Outage, Request
from dr.operations.measurements import Alarm
from dr.operations.quorum import Sight, Signal

FAULT = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
OBJECTIVES = Objectives(rto_seconds=300, rpo_seconds=60)
RECOVERED = Outage(FAULT, FAULT + timedelta(seconds=1), FAULT + timedelta(seconds=200), 1.0)
BUDGET = timedelta(seconds=220)


def answered(seconds: float, region: str = "us-west-2", status: int | None = 200) -> Request:
    at = FAULT + timedelta(seconds=seconds)
    return Request(0, at, at, 0, "127.0.0.1", region, status, 0.1, 0.1, "v1", status == 200, "")


def test_recovery_within_the_objective_is_met_with_its_error() -> None:
    found = judgements.recovery_time(RECOVERED, OBJECTIVES)

    assert (found.verdict, found.measured) == (Verdict.MET, "200.0 s, at most 1.0 s less")


@pytest.mark.parametrize(
    ("outage", "verdict"),
    [
        (replace(RECOVERED, recovered=FAULT + timedelta(seconds=301)), Verdict.MISSED),
        (replace(RECOVERED, recovered=None), Verdict.MISSED),
        (replace(RECOVERED, resolution=2.1), Verdict.UNKNOWN),
    ],
)
def test_recovery_time_that_is_too_long_or_absent_is_missed_and_an_inexact_one_unknown(
    outage: Outage, verdict: Verdict
) -> None:
    assert judgements.recovery_time(outage, OBJECTIVES).verdict is verdict


def test_fault_that_fails_no_request_is_missed() -> None:
    assert judgements.effect(RECOVERED).verdict is Verdict.MET
    missed = judgements.effect(replace(RECOVERED, first_failure=None))
    assert (missed.verdict, missed.measured) == (Verdict.MISSED, "no request failed after the fault")


@pytest.mark.parametrize(("seconds", "verdict"), [(220, Verdict.MET), (221, Verdict.MISSED), (None, Verdict.MISSED)])
def test_detection_is_met_within_the_tiers_budget(seconds: int | None, verdict: Verdict) -> None:
    at = None if seconds is None else FAULT + timedelta(seconds=seconds)

    assert judgements.detection(FAULT, at, BUDGET).verdict is verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0.0, Verdict.MET), (60.0, Verdict.MET), (60.1, Verdict.MISSED), (None, Verdict.UNKNOWN)]
)
def test_recovery_point_is_compared_with_its_objective(seconds: float | None, verdict: Verdict) -> None:
    lost = [LostWrite("s3://east/a", "2026-11-29T11:59:00+00:00", seconds)] if seconds else []

    assert judgements.recovery_point(seconds, lost, 9, OBJECTIVES).verdict is verdict


@pytest.mark.parametrize(
    ("wrong", "unknown", "relapses", "verdict"),
    [
        (0, 0, 0, Verdict.MET),
        (1, 0, 0, Verdict.MISSED),
        (0, 1, 0, Verdict.UNKNOWN),
        (0, 0, 1, Verdict.MISSED),
        (1, 1, 0, Verdict.MISSED),
    ],
)
def test_answers_are_met_without_wrong_unknown_and_late_failures(
    wrong: int, unknown: int, relapses: int, verdict: Verdict
) -> None:
    assert judgements.answers(Requests(100, 10, wrong), unknown, relapses).verdict is verdict


@pytest.mark.parametrize(
    ("firing", "verdict"), [([], Verdict.MET), (["ml-dr-sentinel-late"], Verdict.MISSED), (None, Verdict.UNKNOWN)]
)
def test_alarms_are_met_if_none_fires_at_the_end(firing: list[str] | None, verdict: Verdict) -> None:
    assert judgements.alarms(firing, timedelta(minutes=4)).verdict is verdict


def test_primary_region_that_answers_only_before_dns_is_confirmed_is_no_split_brain() -> None:
    requests = [answered(70, "us-east-1"), answered(90)]

    assert judgements.one_region(requests, "us-east-1", FAULT + timedelta(seconds=80)).verdict is Verdict.MET


@pytest.mark.parametrize(
    ("requests", "confirmed", "verdict"),
    [
        ([answered(81, "us-east-1"), answered(90)], 80, Verdict.MISSED),
        ([answered(81, "us-east-1", status=None), answered(90)], 80, Verdict.MET),
        ([answered(60)], 80, Verdict.UNKNOWN),
        ([answered(90)], None, Verdict.MISSED),
    ],
)
def test_answer_of_the_primary_region_after_dns_is_confirmed_is_a_split_brain(
    requests: list[Request], confirmed: int | None, verdict: Verdict
) -> None:
    at = None if confirmed is None else FAULT + timedelta(seconds=confirmed)

    assert judgements.one_region(requests, "us-east-1", at).verdict is verdict


@pytest.mark.parametrize(
    ("run", "seconds", "verdict"),
    [
        ("20261129T120000Z-a1b2c3", 5.0, Verdict.MET),
        ("20261129T120000Z-a1b2c3", 5.1, Verdict.MISSED),
        ("20261129T120000Z-a1b2c3", None, Verdict.MISSED),
        (None, 1.0, Verdict.MISSED),
    ],
)
def test_run_of_a_killed_operator_has_to_be_resumed_within_five_seconds(
    run: str | None, seconds: float | None, verdict: Verdict
) -> None:
    assert judgements.resumed(run, seconds).verdict is verdict


@pytest.mark.parametrize(
    ("nodes", "verdict"),
    [
        ({"g6.2xlarge": 3}, Verdict.MET),
        ({"g6.2xlarge": 2, "g5.2xlarge": 1}, Verdict.MISSED),
        ({}, Verdict.MISSED),
        (None, Verdict.UNKNOWN),
    ],
)
def test_shortage_is_met_if_all_nodes_are_of_another_type(nodes: dict[str, int] | None, verdict: Verdict) -> None:
    assert judgements.fallback(nodes, "g5.2xlarge").verdict is verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([Verdict.MET, Verdict.MET], Verdict.MET),
        ([Verdict.MET, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.UNKNOWN, Verdict.MISSED], Verdict.MISSED),
        ([], Verdict.UNKNOWN),
    ],
)
def test_verdict_is_the_worst_of_its_conditions(verdicts: list[Verdict], verdict: Verdict) -> None:
    assert overall(tuple(Judgement("one", each, "", "") for each in verdicts)) is verdict


def test_drill_that_ended_before_its_fault_hit_nothing() -> None:
    assert judgements.effect(None).verdict is Verdict.MISSED


WELL = Signal("primary-silent", Sight.WELL, "alarm OK")
GREY = Signal("request", Sight.LOST, "answered 200, but 3 of 6 inference requests got no prediction", grey=True)


@pytest.mark.parametrize(
    ("detected", "signals", "verdict"),
    [(3, (WELL, GREY), Verdict.MET), (None, (WELL,), Verdict.MISSED), (3, (WELL,), Verdict.MISSED)],
)
def test_grey_failure_that_no_signal_shows_is_missed(
    detected: int | None, signals: tuple[Signal, ...], verdict: Verdict
) -> None:
    at = None if detected is None else FAULT + timedelta(seconds=detected)
    found = judgements.shown(FAULT, at, signals)

    assert found.verdict is verdict
    if verdict is Verdict.MET:
        assert found.measured == f"after 3 s: {GREY.fact}"


def alarm(state: str = "OK", since: float = -600) -> Alarm:
    return Alarm("primary-silent", "us-west-2", state, FAULT + timedelta(seconds=since))


@pytest.mark.parametrize(
    ("witnesses", "verdict"),
    [
        ({"primary-silent": alarm()}, Verdict.MET),
        ({"primary-silent": alarm("ALARM", 60)}, Verdict.MISSED),
        ({"primary-silent": alarm("OK", 60)}, Verdict.MISSED),
        ({"primary-silent": None}, Verdict.UNKNOWN),
        (None, Verdict.UNKNOWN),
    ],
)
def test_grey_failure_that_health_checks_detect_is_missed(
    witnesses: dict[str, Alarm | None] | None, verdict: Verdict
) -> None:
    assert judgements.health_checks(FAULT, witnesses).verdict is verdict


BEFORE = Spread(6, 0, {"us-east-1a": 2, "us-east-1b": 2, "us-east-1c": 2}, dict.fromkeys("abc", 2))
LOST = Spread(6, 0, {"us-east-1b": 3, "us-east-1c": 3}, {"us-east-1b": 3, "us-east-1c": 3})
AFTER = replace(LOST, nodes={**LOST.nodes, "us-east-1a": 1})
ZONES = Zones("us-east-1a", BEFORE, LOST, AFTER, "", ("OK", FAULT - timedelta(minutes=10)))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.MET),
        ({"lost": replace(LOST, replicas={"us-east-1b": 2, "us-east-1c": 2})}, Verdict.MISSED),
        ({"lost": replace(LOST, waiting=1)}, Verdict.MISSED),
        ({"lost": replace(LOST, nodes={**LOST.nodes, "us-east-1a": 2})}, Verdict.MISSED),
        ({"after": LOST}, Verdict.MISSED),
        ({"after": replace(AFTER, replicas={"us-east-1b": 3})}, Verdict.MISSED),
        ({"lost": None}, Verdict.UNKNOWN),
        ({"after": None}, Verdict.UNKNOWN),
    ],
)
def test_replicas_have_to_be_ready_without_the_zone_and_with_it(changes: dict[str, Any], verdict: Verdict) -> None:
    assert judgements.replicas(replace(ZONES, **changes)).verdict is verdict


@pytest.mark.parametrize(
    ("changes", "region", "says"),
    [
        ({}, "us-east-1", ""),
        ({}, "us-west-2", "1 of 2 requests went to us-west-2"),
        ({"incident": "20261129T110000Z-a1b2c3"}, "us-east-1", "incident 20261129T110000Z-a1b2c3 is open"),
        ({"impaired": ("ALARM", FAULT)}, "us-east-1", "region-impaired is ALARM since 12:00:00 UTC"),
        ({"impaired": ("OK", FAULT + timedelta(seconds=90))}, "us-east-1", "region-impaired is OK since 12:01:30 UTC"),
    ],
)
def test_loss_of_a_zone_that_moves_clients_or_opens_an_incident_is_missed(
    changes: dict[str, Any], region: str, says: str
) -> None:
    requests = [answered(1, "us-east-1"), answered(2, region)]
    found = judgements.in_region(requests, "us-west-2", True, FAULT, replace(ZONES, **changes))

    assert found.verdict is (Verdict.MISSED if says else Verdict.MET)
    assert says in found.measured


def test_region_that_answers_clients_in_normal_operation_may_do_so_during_the_loss_of_a_zone() -> None:
    found = judgements.in_region([answered(1, "us-west-2")], "us-west-2", False, FAULT, ZONES)

    assert (found.verdict, found.measured) == (Verdict.MET, "no incident; region-impaired is OK")


def test_loss_of_a_zone_is_unknown_if_the_alarm_was_not_read() -> None:
    found = judgements.in_region([], "us-west-2", True, FAULT, replace(ZONES, impaired=None))

    assert found.verdict is Verdict.UNKNOWN
