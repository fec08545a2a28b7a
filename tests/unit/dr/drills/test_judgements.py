"""Conditions of a drill's verdict: one compliant example each, and each test breaks one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.drills import judgements
from dr.drills.document import Judgement, LostWrite, Objectives, Requests, Verdict, overall
from dr.operations.client_log import Outage, Request

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
