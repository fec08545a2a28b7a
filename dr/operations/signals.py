"""Signals that the primary region is lost, as seen from the recovery region.

Three independent ones are compared: the prober's witness of the endpoint, its witness of replication, and a request of
this machine. Two of them decide, so that one fault of a measurement neither starts nor prevents a failover.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus

from dr.errors import DrError
from dr.operations.scene import Scene
from dr.topology.detection import SILENT, STALE

QUORUM = 2
ANSWER_SECONDS = 5.0


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
    """

    name: str
    sight: Sight
    fact: str
    lasts: timedelta = timedelta(0)

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


def read(scene: Scene) -> list[Signal]:
    """Read all signals in parallel. A signal that cannot be read is unknown."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        alarms, asked = pool.submit(witnesses, scene), pool.submit(request, scene)
        return [*alarms.result(), asked.result()]


def witnesses(scene: Scene) -> list[Signal]:
    """Return the signals of the prober's two witnesses."""
    try:
        alarms = scene.alarms()
    except DrError as error:
        return [Signal(name, Sight.UNKNOWN, error.problems[0].fact) for name in (SILENT, STALE)]
    sights = {"ALARM": Sight.LOST, "OK": Sight.WELL}
    return [
        Signal(
            name,
            sights.get(alarm.state, Sight.UNKNOWN),
            f"alarm {alarm.state} since {alarm.since:%H:%M:%S} UTC",
            alarms.at - alarm.since,
        )
        if (alarm := alarms.named(scene.alarm_name(name)))
        else Signal(name, Sight.UNKNOWN, "the alarm does not exist")
        for name in (SILENT, STALE)
    ]


def request(scene: Scene) -> Signal:
    """Return the signal of a request of this machine to the primary region's endpoint."""
    name = f"request to {scene.primary.dns.regional_name}"
    url = f"https://{scene.primary.dns.regional_name}{scene.topology.serving.ready_path}"
    try:
        with urllib.request.build_opener().open(url, timeout=ANSWER_SECONDS) as answer:
            well = answer.status == HTTPStatus.OK
            return Signal(name, Sight.WELL if well else Sight.LOST, f"answered {answer.status}")
    except urllib.error.HTTPError as error:
        # An answer of the region: its endpoint exists, and does not serve.
        return Signal(name, Sight.LOST, f"answered {error.code}")
    except (OSError, http.client.HTTPException) as error:
        return Signal(name, Sight.LOST, f"no answer: {getattr(error, 'reason', error)}")
