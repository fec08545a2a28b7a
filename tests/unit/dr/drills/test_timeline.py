"""The environment's clock, and the phases of a recovery time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dr.drills.timeline import Pace, Span, phases
from dr.operations.steps import Phase

FAULT = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return FAULT + timedelta(seconds=seconds)


SPANS = [
    Span(Phase.DECIDE, after(102), after(103)),
    Span(Phase.DNS, after(103), after(110)),
    Span(Phase.CAPACITY, after(103), after(150)),
    Span(Phase.VERIFY, after(150), after(160)),
    Span(Phase.DNS, after(160), after(180)),
]


def test_clock_runs_at_the_speed_of_the_pace_that_began_last() -> None:
    paces = [Pace(FAULT, after(1000), 1.0), Pace(after(10), after(1010), 10.0), Pace(after(20), after(1110), 1.0)]
    times = [Pace.of(paces, after(each)).at(after(each)) for each in (5, 15, 25)]

    assert times == [after(1005), after(1060), after(1115)]


def test_time_before_the_first_pace_is_that_of_the_first_pace() -> None:
    assert Pace.of([Pace(FAULT, after(1000), 1.0)], after(-5)).at(after(-5)) == after(995)


def test_phases_add_up_to_the_recovery_time_and_each_moment_counts_once() -> None:
    found = phases(FAULT, after(100), SPANS, after(200))

    assert found == {"detect": 100.0, "decide": 3.0, "capacity": 47.0, "data": 0.0, "DNS": 40.0, "verify": 10.0}
    assert sum(found.values()) == 200.0


def test_recovery_before_the_end_of_the_last_step_ends_the_phases() -> None:
    assert sum(phases(FAULT, after(100), SPANS, after(170)).values()) == 170.0


@pytest.mark.parametrize("detected", [None, after(300)])
def test_recovery_without_a_detection_is_a_time_of_detection(detected: datetime | None) -> None:
    assert phases(FAULT, detected, [], after(90))["detect"] == 90.0


@pytest.mark.parametrize("recovered", [None, FAULT])
def test_drill_without_a_recovery_or_an_outage_has_no_phases(recovered: datetime | None) -> None:
    assert phases(FAULT, after(100), SPANS, recovered) == {}
