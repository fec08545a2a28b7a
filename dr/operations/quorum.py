"""Signals that the primary region is lost, and the quorum that decides. Pure.

Two of three signals decide, so that one fault of a measurement neither starts nor prevents a failover. A function uses
this module too, so it imports nothing but the standard library and modules of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from dr.operations.measurements import Alarms
from dr.topology.detection import SILENT, STALE

QUORUM = 2


class Sight(StrEnum):
    """What a signal says of the primary region."""

    LOST = "lost"
    WELL = "well"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Signal:
    """One signal.

    Args:
        name: Name of the signal.
        sight: What it says.
        fact: The measurement.
        lasts: For how long it has said so; 0 if it was measured only now.
        grey: Whether readiness answers, and inference does not.
    """

    name: str
    sight: Sight
    fact: str
    lasts: timedelta = timedelta(0)
    grey: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.sight} ({self.fact})"


def judged(signals: Sequence[Signal]) -> Sight:
    """Return what a quorum of the signals says; unknown without a quorum. Pure."""
    for sight in (Sight.LOST, Sight.WELL):
        if sum(each.sight is sight for each in signals) >= QUORUM:
            return sight
    return Sight.UNKNOWN


def lost_for(signals: Sequence[Signal]) -> timedelta | None:
    """Return for how long a quorum of the signals has seen the primary region lost; None without a quorum. Pure."""
    lasting = sorted((each.lasts for each in signals if each.sight is Sight.LOST), reverse=True)
    return lasting[QUORUM - 1] if len(lasting) >= QUORUM else None


def of_alarms(alarms: Alarms, workload: str) -> list[Signal]:
    """Return the signals of the prober's two witnesses. Pure.

    Args:
        alarms: The alarms of the recovery region.
        workload: First part of the alarms' names: `dr:bucketPrefix`.
    """
    sights = {"ALARM": Sight.LOST, "OK": Sight.WELL}
    return [
        Signal(
            name,
            sights.get(alarm.state, Sight.UNKNOWN),
            f"alarm {alarm.state} since {alarm.since:%H:%M:%S} UTC",
            alarms.at - alarm.since,
        )
        if (alarm := alarms.named(f"{workload}-{name}"))
        else Signal(name, Sight.UNKNOWN, "the alarm does not exist")
        for name in (SILENT, STALE)
    ]
