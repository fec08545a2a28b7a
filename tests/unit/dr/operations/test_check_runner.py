"""Checks that run at the same time, with one deadline."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from dr.clients import Unreachable
from dr.errors import Invalid, Problem, Refused
from dr.findings import Finding, Status
from dr.operations import check_runner
from dr.operations.check_runner import Check
from tests.support.waiting import PATIENCE_SECONDS

MET = Finding("first", Status.MET, "measured")


def run(*checks: Check[str], seconds: float = PATIENCE_SECONDS, workers: int = 4) -> list[Finding]:
    return check_runner.run(checks, "subject", seconds, workers)


def raising(error: Exception) -> Check[str]:
    def look(subject: str) -> Iterator[Finding]:
        raise error
        yield

    return Check("broken", look, "works")


def test_findings_are_in_the_order_of_the_checks() -> None:
    last = threading.Event()

    def waits(subject: str) -> list[Finding]:
        last.wait(PATIENCE_SECONDS)
        return [MET]

    def releases(subject: str) -> list[Finding]:
        last.set()
        return [Finding(subject, Status.MET, "a"), Finding(subject, Status.MET, "b")]

    found = run(Check("first", waits), Check("second", releases))

    assert [(each.name, each.measured) for each in found] == [("first", "measured"), ("subject", "a"), ("subject", "b")]


def test_check_that_has_nothing_to_check_has_no_finding_and_is_not_late() -> None:
    assert run(Check("fleets", lambda subject: ()), Check("first", lambda subject: [MET])) == [MET]


def test_check_without_a_result_at_the_deadline_is_unknown_and_others_are_kept() -> None:
    ended = threading.Event()
    hanging = Check[str]("hanging", lambda subject: [MET][: ended.wait(PATIENCE_SECONDS)], "answers")
    found = run(Check("first", lambda subject: [MET]), hanging, seconds=0.3)
    ended.set()

    assert found == [
        MET,
        Finding("hanging", Status.UNKNOWN, "did not finish within 0.3 s", "run the command again", "answers"),
    ]


def test_failed_call_is_unknown_with_its_objective() -> None:
    (found,) = run(raising(Unreachable(Problem("s3", "us-west-2 does not answer", "check the region"))))

    assert found == Finding("broken", Status.UNKNOWN, "us-west-2 does not answer", "check the region", "works")


def test_refused_and_invalid_checks_are_missed_with_each_problem() -> None:
    problems = Problem("tier", "has no cluster", "use warm"), Problem("set", "is damaged", "publish it")
    found = run(raising(Refused(*problems)), raising(Invalid(problems[0])))

    assert [(each.status, each.measured, each.hint) for each in found] == [
        (Status.MISSED, "tier: has no cluster", "use warm"),
        (Status.MISSED, "set: is damaged", "publish it"),
        (Status.MISSED, "tier: has no cluster", "use warm"),
    ]


def test_defect_of_one_check_is_unknown_and_others_are_kept() -> None:
    found = run(raising(KeyError("status")), Check("first", lambda subject: [MET]))

    assert [each.status for each in found] == [Status.UNKNOWN, Status.MET]
    assert found[0].measured == "broken: KeyError: 'status'"
    assert "report this defect" in found[0].hint


def test_number_of_threads_does_not_grow_with_the_number_of_checks() -> None:
    together, most, lock = 0, 0, threading.Lock()

    def look(subject: str) -> Iterator[Finding]:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        yield MET
        with lock:
            together -= 1

    assert len(run(*[Check("first", look)] * 200, workers=3)) == 200
    assert most <= 3


def test_progress_is_reported_for_each_check() -> None:
    shares: list[float | None] = []
    check_runner.run(
        [Check("first", lambda subject: [MET])] * 4,
        "subject",
        PATIENCE_SECONDS,
        report=lambda text, share: shares.append(share),
    )

    assert shares == [0.25, 0.5, 0.75, 1.0]
