"""Cron expressions of five fields: minute, hour, day of the month, month, weekday."""

from __future__ import annotations

from datetime import datetime, timedelta

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
LONGEST = timedelta(days=2)
"""How far back `due` looks: a schedule that was not due since then is taken for one that is not due."""


def parse(text: str) -> tuple[frozenset[int], ...]:
    """Return the numbers of each field.

    Raises:
        ValueError: The expression is not valid, or has names.
    """
    fields = text.split()
    if len(fields) != len(RANGES):
        raise ValueError(f"expected exactly {len(RANGES)} fields, found {len(fields)}: {text!r}")
    return tuple(_numbers(field, *limits) for field, limits in zip(fields, RANGES, strict=True))


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else int(first)
        end = int(last) if last else (high if first == "*" or step else start)
        if not low <= start <= end <= high:
            raise ValueError(f"{part!r} is not between {low} and {high}")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def due(text: str, since: datetime, now: datetime) -> bool:
    """Return whether an expression names a minute after a time, up to now. Raises as `parse`.

    Args:
        text: The expression, in UTC.
        since: The time, with time zone.
        now: The present, with time zone.
    """
    minutes, hours, days, months, weekdays = parse(text)
    at = max(since, now - LONGEST).replace(second=0, microsecond=0) + timedelta(minutes=1)
    while at <= now:
        # Of day and weekday, one has to match if both are restricted.
        on_day, on_weekday = at.day in days, at.isoweekday() % 7 in weekdays
        both = len(days) < 31 and len(weekdays) < 7
        if (
            at.minute in minutes
            and at.hour in hours
            and at.month in months
            and (on_day or on_weekday if both else on_day and on_weekday)
        ):
            return True
        at += timedelta(minutes=1)
    return False
