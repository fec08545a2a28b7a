"""Parallel lookups with one deadline and a circuit for each region."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dr.clients import Unreachable
from dr.errors import Failed, Problem
from dr.operations.lookups import Lookups

LONG = 60.0


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """An event that a lookup waits for, set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def refuse() -> None:
    raise Failed(Problem("a bucket", "AccessDenied", "allow it"))


def lose() -> None:
    raise Unreachable(Problem("a bucket", "us-east-1 does not answer", "wait"))


def test_lookup_that_answers_has_its_result() -> None:
    assert Lookups(LONG).start("a bucket", "us-east-1", lambda: 7).result() == 7


def test_lookup_without_an_answer_at_the_deadline_is_unreachable(hang: threading.Event) -> None:
    lookups = Lookups(0.05)
    pending = lookups.start("a bucket", "us-east-1", hang.wait)

    with pytest.raises(Unreachable, match="a bucket: us-east-1 does not answer within"):
        pending.result()
    assert lookups.failed("us-east-1") is not None
    assert lookups.failed("us-west-2") is None


def test_thread_of_a_lookup_that_hangs_does_not_keep_the_process(hang: threading.Event) -> None:
    Lookups(LONG).start("hangs", "us-east-1", hang.wait)

    (thread,) = (each for each in threading.enumerate() if each.name == "lookup hangs")
    assert thread.daemon


def test_region_that_did_not_answer_is_not_called_again() -> None:
    lookups, called = Lookups(LONG), list[str]()
    with pytest.raises(Unreachable):
        lookups.start("a bucket", "us-east-1", lose).result()
    again = lookups.start("an alarm", "us-east-1", lambda: called.append("east"))
    other = lookups.start("an alarm", "us-west-2", lambda: called.append("west"))

    with pytest.raises(Unreachable, match="a bucket: us-east-1 does not answer"):
        again.result()
    other.result()
    assert called == ["west"]


def test_region_that_refused_a_call_is_called_again() -> None:
    lookups = Lookups(LONG)
    with pytest.raises(Failed, match="AccessDenied"):
        lookups.start("a bucket", "us-east-1", refuse).result()

    assert lookups.start("an alarm", "us-east-1", lambda: 7).result() == 7


def test_defect_in_one_lookup_is_its_own_failure() -> None:
    with pytest.raises(Failed, match="an alarm: ZeroDivisionError"):
        Lookups(LONG).start("an alarm", "us-east-1", lambda: 1 // 0).result()


def test_lookup_after_one_that_failed_makes_no_call() -> None:
    lookups, called = Lookups(LONG), list[str]()
    first = lookups.start("a bucket", "us-east-1", refuse)
    second = lookups.start("a rule", "us-east-1", lambda: called.append("rule"), after=first)

    with pytest.raises(Failed, match="AccessDenied"):
        second.result()
    assert called == []
