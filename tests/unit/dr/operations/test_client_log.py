"""Outages as a client's log shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.errors import Invalid
from dr.operations import client_log
from dr.operations.client_log import Clock, Request

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
RATE = 2
"""Requests a second."""
GOOD = Request(
    number=0,
    sent=START,
    sent_modelled=START,
    resolver=0,
    address="198.18.0.1",
    region="us-east-1",
    status=200,
    seconds=0.1,
    seconds_modelled=0.1,
    version="v1",
    right=True,
    error="",
)
FAILED = replace(GOOD, status=None, right=None, version="", error="ConnectionResetError")
WRONG = replace(GOOD, right=False)
UNKNOWN = replace(GOOD, right=None, error="the model set v2 cannot be read")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def log(**phases: float) -> list[Request]:
    """Requests at the rate: phases of `good`, `failed`, `wrong` or `unknown` with their lengths in seconds."""
    kinds = {"good": GOOD, "failed": FAILED, "wrong": WRONG, "unknown": UNKNOWN}
    made: list[Request] = []
    for name, seconds in phases.items():
        for _ in range(int(seconds * RATE)):
            when = at(len(made) / RATE)
            made.append(replace(kinds[name.split("_")[0]], number=len(made), sent=when, sent_modelled=when))
    return made


def outage(requests: list[Request], fault: float = 10, sustained: float = 5) -> client_log.Outage:
    return client_log.outage(requests, at(fault), timedelta(seconds=sustained))


def test_outage_lasts_from_the_fault_to_the_first_good_answer_of_a_sustained_run() -> None:
    found = outage(log(good=12, failed=30, good_again=10))

    assert found.first_failure == at(12)
    assert found.recovered == at(42.1), "sent at 42 s, answered 0.1 s later"
    assert found.seconds == pytest.approx(32.1)
    assert found.resolution == 0.5
    assert found.relapses == 0


@pytest.mark.parametrize("bad", ["failed", "wrong", "unknown"])
def test_answers_that_are_not_known_to_be_right_are_an_outage(bad: str) -> None:
    found = outage(log(good=10, **{bad: 20}, good_again=10))

    assert found.seconds == pytest.approx(20.1)


def test_short_run_of_good_answers_is_not_a_recovery() -> None:
    found = outage(log(good=10, failed=5, good_2=4, failed_2=5, good_3=10))

    assert found.seconds == pytest.approx(14.1)


def test_good_answers_before_the_first_failure_are_not_a_recovery() -> None:
    found = outage(log(good=60, failed=10, good_2=10))

    assert found.first_failure == at(60)
    assert found.seconds == pytest.approx(60.1)


def test_failures_after_the_recovery_are_counted_as_relapses() -> None:
    found = outage(log(good=10, failed=5, good_2=10, failed_2=2, good_3=10))

    assert found.seconds == pytest.approx(5.1)
    assert found.relapses == 4


def test_log_that_ends_before_a_sustained_run_shows_no_recovery() -> None:
    found = outage(log(good=10, failed=5, good_2=4))

    assert (found.recovered, found.seconds) == (None, None)


def test_fault_without_a_failed_request_is_an_outage_of_0_seconds_if_the_log_goes_on_long_enough() -> None:
    assert outage(log(good=20)).seconds == 0
    assert outage(log(good=20)).first_failure is None
    assert outage(log(good=12)).seconds is None
    assert outage([]).seconds is None


def test_run_with_a_gap_in_the_requests_is_not_sustained() -> None:
    requests = [each for each in log(good=10, failed=5, good_2=16) if not at(17) < each.sent < at(20)]
    found = outage(requests)

    assert found.recovered == at(20.1)
    assert found.resolution == 3


def test_order_of_the_lines_does_not_matter() -> None:
    requests = log(good=12, failed=30, good_2=10)

    assert outage(requests[::-1]) == outage(requests)


def test_outage_by_the_modelled_clock() -> None:
    requests = [
        replace(each, sent_modelled=START + (each.sent - START) * 60, seconds_modelled=6.0)
        for each in log(good=10, failed=5, good_2=10)
    ]
    found = client_log.outage(requests, at(600), timedelta(seconds=300), Clock.MODELLED)

    assert found.seconds == pytest.approx(306), "an answer that took 0.1 s took 6 s of the modelled clock"
    assert found.resolution == 30


def test_summary_counts_requests_and_answers_by_region() -> None:
    requests = [*log(good=2, failed=1, wrong=1, unknown=1), replace(GOOD, number=9, region="us-west-2")]
    found = client_log.summary(requests)

    assert (found.sent, found.failed, found.wrong, found.unknown) == (11, 2, 2, 2)
    assert found.regions == {"us-east-1": 8, "us-west-2": 1}


def test_requests_are_read_as_they_were_written_and_an_incomplete_last_line_is_ignored() -> None:
    requests = log(good=1, failed=1)
    text = "".join(request.line() for request in reversed(requests))

    assert client_log.parse(text) == requests
    assert client_log.parse(text + '{"number": 4, "se') == requests
    assert client_log.parse("") == []


def test_lines_that_are_not_requests_are_all_reported() -> None:
    line = GOOD.line()
    with pytest.raises(Invalid) as caught:
        client_log.parse(line + "text\n" + line.replace('"status":200', '"status":"good"'))

    subjects = [problem.subject for problem in caught.value.problems]
    assert subjects == ["line 2 of the client log", "line 3 of the client log"]
    assert "Invalid JSON" in caught.value.problems[0].fact
    assert caught.value.problems[1].fact.startswith("status: Input should be a valid integer")
