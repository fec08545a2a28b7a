"""Cron expressions of Velero's schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clusters import cron

NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
"""A Sunday."""


@pytest.mark.parametrize(
    ("text", "minutes", "due"),
    [
        ("0 2 * * *", 13 * 60 + 59, False),
        ("0 2 * * *", 14 * 60, True),
        ("*/15 * * * *", 14, False),
        ("*/15 * * * *", 15, True),
        ("30 12,13 * * *", 30, True),
        ("0 0 * * 1", 12 * 60, True),
        ("0 0 * * 2", 12 * 60, False),
        ("0 0 30 * 5", 12 * 60, True),
        ("0 0 1 * *", 24 * 60, False),
        ("5-7 12 * 11 *", 5, True),
        ("5-7 12 * 12 *", 10, False),
    ],
)
def test_schedule_is_due_in_the_minutes_that_it_names(text: str, minutes: int, due: bool) -> None:
    assert cron.due(text, NOON, NOON + timedelta(minutes=minutes)) is due


def test_minute_of_the_last_run_is_not_due_again() -> None:
    assert cron.due("0 12 * * *", NOON, NOON + timedelta(seconds=59)) is False


@pytest.mark.parametrize("text", ["", "0 2 * *", "60 * * * *", "x * * * *", "0 2 * * 7-1"])
def test_expression_that_is_not_valid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"field|between|invalid"):
        cron.parse(text)
