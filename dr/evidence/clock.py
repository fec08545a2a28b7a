"""Times of a report. Pure.

A sandbox advances a modelled clock faster than the machine's. The page's time axis is the machine's, which the journal
and the clients share, so modelled times are converted to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from dr.operations.client_log import Request

Axis = Callable[[Request], float]
"""Seconds at which a request was sent, by one of the clocks."""


def moment(text: str) -> datetime:
    """Return the time of an ISO 8601 text, in UTC if it names no zone.

    Raises:
        ValueError: The text is not a time.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment_or_none(text: str | None) -> datetime | None:
    """Return the time of an ISO 8601 text; None if it is not one."""
    try:
        return moment(text) if text else None
    except ValueError:
        return None


def after(start: datetime, seconds: float, modelled: bool, requests: Sequence[Request]) -> datetime:
    """Return the time, by the machine's clock, that is a duration after a start.

    Args:
        start: The start, by the machine's clock.
        seconds: The duration in seconds.
        modelled: Whether the duration is by the modelled clock, which the requests relate to the machine's.
        requests: The requests, in the order of sending.
    """
    if not modelled or len(requests) < 2:
        return start + timedelta(seconds=seconds)
    origin = requests[0].sent

    def machine(request: Request) -> float:
        return (request.sent - origin).total_seconds()

    def environment(request: Request) -> float:
        return (request.sent_modelled - requests[0].sent_modelled).total_seconds()

    began = _converted((start - origin).total_seconds(), requests, machine, environment)
    end = _converted(began + seconds, requests, environment, machine)
    return max(start, origin + timedelta(seconds=end))


def _converted(value: float, requests: Sequence[Request], known: Axis, wanted: Axis) -> float:
    """Return a time of one clock by the other one: interpolated between two requests, or beyond the last ones."""
    upper = min(max(bisect_left(requests, value, key=known), 1), len(requests) - 1)
    low, high = requests[upper - 1], requests[upper]
    width = known(high) - known(low)
    share = (value - known(low)) / width if width > 0 else 0.0
    return wanted(low) + share * (wanted(high) - wanted(low))
