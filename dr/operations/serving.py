"""Which region serves, and since when, from what the recovery region measures. Pure.

A region serves if its endpoint answers and its DNS record is open. Route 53 answers with an open record of weight 0
only if no other record is open (Route 53 developer guide, "How Route 53 chooses records when health checking is
configured"). Clients follow within the interval of the health checks and the time to live of the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dr.control.levers import ADMIT, ENGAGE
from dr.operations.measurements import Measurements, Sample, Series
from dr.topology.tiers import PRIMARY_DNS_WEIGHT

FRESH = timedelta(minutes=3)
"""Age above which a measurement is stale. The prober takes three samples a minute, and may start a minute late."""


@dataclass(frozen=True)
class Records:
    """What decides on traffic besides health.

    Args:
        primary: The primary region.
        recovery: The recovery region.
        recovery_weight: Weight of the recovery record.
        recovery_expected: Whether inference is expected to run in the recovery region. The prober measures its endpoint
            only then.
        automatic: Whether the recovery record is open while no value of the lever `admit` is published.
    """

    primary: str
    recovery: str
    recovery_weight: int
    recovery_expected: bool
    automatic: bool


@dataclass(frozen=True)
class Serving:
    """Which regions serve.

    Args:
        regions: The regions; empty if none serves, None if it is unknown.
        since: Time of the first sample with this result; None if it is unknown.
        before: Whether the result is older than the time range that was read.
        measured: Time of the newest sample; None if there is none.
        reason: Why it is unknown.
    """

    regions: tuple[str, ...] | None
    since: datetime | None = None
    before: bool = False
    measured: datetime | None = None
    reason: str = ""


def serving(seen: Measurements, records: Records, now: datetime) -> Serving:
    """Return which regions serve.

    Args:
        seen: The measurements.
        records: What decides on traffic besides health.
        now: CloudWatch's time.
    """
    states = list(_states(seen, records))
    if not states:
        return Serving(None, reason=f"the prober in {records.recovery} has measured nothing")
    measured, regions = states[-1]
    if now - measured > FRESH:
        return Serving(None, measured=measured, reason=f"the prober in {records.recovery} has stopped")
    since, before = measured, True
    for at, earlier in reversed(states):
        if earlier != regions:
            before = False
            break
        since = at
    if regions is None:
        what = records.primary if not _fresh(seen.endpoints.get(records.primary, ()), measured) else records.recovery
        return Serving(None, measured=measured, reason=f"the prober could not measure the endpoint of {what}")
    return Serving(regions, since, before, measured)


def _states(seen: Measurements, records: Records) -> Iterator[tuple[datetime, tuple[str, ...] | None]]:
    """Yield each time at which an endpoint was measured, with the regions that serve then."""
    series: Mapping[str, Series] = {**seen.endpoints, **seen.levers}
    events = sorted(((sample.at, name, sample) for name, values in series.items() for sample in values), key=_at)
    latest: dict[str, Sample] = {}
    for index, (at, name, sample) in enumerate(events):
        latest[name] = sample
        last_of_time = index + 1 == len(events) or events[index + 1][0] != at
        if last_of_time and any(latest[each].at == at for each in seen.endpoints if each in latest):
            yield at, _regions(latest, records, at)


def _at(event: tuple[datetime, str, Sample]) -> datetime:
    return event[0]


def _regions(latest: Mapping[str, Sample], records: Records, at: datetime) -> tuple[str, ...] | None:
    engaged = bool(latest[ENGAGE].value) if ENGAGE in latest else False
    admitted = bool(latest[ADMIT].value) if ADMIT in latest else records.automatic
    here = False if engaged else _healthy(latest.get(records.primary), at)
    there = _healthy(latest.get(records.recovery), at) if admitted else False
    if there is None and not records.recovery_expected:
        there = False
    weighted = {records.primary: (here, PRIMARY_DNS_WEIGHT), records.recovery: (there, records.recovery_weight)}
    preferred = [(name, healthy) for name, (healthy, weight) in weighted.items() if weight]
    standby = [(name, healthy) for name, (healthy, weight) in weighted.items() if not weight]
    for group in (preferred, standby):
        if any(healthy for _, healthy in group):
            return tuple(name for name, healthy in group if healthy)
        if any(healthy is None for _, healthy in group):
            return None
    return ()


def _healthy(sample: Sample | None, at: datetime) -> bool | None:
    if sample is None or at - sample.at > FRESH:
        return None
    return bool(sample.value)


def _fresh(series: Series, at: datetime) -> bool:
    return bool(series) and at - series[-1].at <= FRESH
