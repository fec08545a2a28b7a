"""What clients saw over time: requests in equal periods. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dr.operations.client_log import Request

WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Possible lengths of a period in seconds."""
MOST_PERIODS = 240
"""A chart of a thousand pixels shows no more."""


@dataclass(frozen=True)
class Period:
    """Requests sent in a period.

    Args:
        start: Its start in seconds after the origin of the time axis; negative before it.
        sent: All requests.
        failed: Requests without an answer of the model.
        wrong: Answers that differ from the published model's.
        unknown: Answers that could not be compared.
        regions: Answers by region.
        p50_ms: Median latency of the answers in milliseconds, by the client's clock; None without an answer.
        p95_ms: Their 95th percentile.
    """

    start: float
    sent: int
    failed: int
    wrong: int
    unknown: int
    regions: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None

    @property
    def bad_share(self) -> float:
        """Share of requests that failed or got a wrong answer."""
        return (self.failed + self.wrong) / self.sent


def width_for(seconds: float) -> int:
    """Return the length of a period, in seconds, with which a time range fits a chart."""
    return next((each for each in WIDTHS if seconds / each <= MOST_PERIODS), math.ceil(seconds / MOST_PERIODS))


def periods(requests: Sequence[Request], origin: datetime, width: int) -> tuple[Period, ...]:
    """Return the periods in which requests were sent; a period without a request is left out.

    Args:
        requests: The requests.
        origin: Origin of the time axis, where a period starts.
        width: Length of a period in seconds.
    """
    groups: dict[int, list[Request]] = {}
    for each in requests:
        groups.setdefault(math.floor((each.sent - origin).total_seconds() / width), []).append(each)
    return tuple(_period(number * width, group) for number, group in sorted(groups.items()))


def _period(start: float, group: Sequence[Request]) -> Period:
    answered = [each for each in group if not each.failed]
    latencies = sorted(each.seconds * 1000 for each in answered)
    regions: dict[str, int] = {}
    for each in answered:
        regions[each.region] = regions.get(each.region, 0) + 1
    return Period(
        start=start,
        sent=len(group),
        failed=len(group) - len(answered),
        wrong=sum(each.right is False for each in answered),
        unknown=sum(each.right is None for each in answered),
        regions=regions,
        p50_ms=_quantile(latencies, 0.5),
        p95_ms=_quantile(latencies, 0.95),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[math.ceil(share * len(ordered)) - 1], 1) if ordered else None
