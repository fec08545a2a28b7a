"""Rows of a drill: which of them are lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dr.drills.row_writer import lost

FAULT = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_row_that_was_acknowledged_before_the_fault_and_is_not_found_is_lost_with_its_age() -> None:
    acknowledged = {number: FAULT + timedelta(seconds=number - 3) for number in (1, 2, 3, 4)}

    assert lost(acknowledged, {1}, FAULT) == {2: 1.0, 3: 0.0}
    assert lost(acknowledged, {1, 2, 3}, FAULT) == {}, "a later row was not acknowledged by the lost region"
