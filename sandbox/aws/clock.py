"""The sandbox's clock: the machine's time plus an offset, at a speed, so that an hour of alarms takes seconds.

CloudWatch, schedules and functions use it; S3, IAM and the rest use the machine's clock.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

import moto.cloudwatch.models

FASTEST = 60.0
"""Highest speed: a minute in a second, in which the prober, alarms and health checks of a minute can run."""


@dataclass(frozen=True)
class _Pace:
    """How the clock runs since its last change.

    Args:
        changed: The machine's time of the change.
        ahead: Seconds by which the clock was ahead then.
        speed: Seconds of the clock in a second of the machine.
    """

    changed: datetime.datetime
    ahead: float = 0.0
    speed: float = 1.0

    def at(self, time: datetime.datetime) -> float:
        """Return the seconds by which the clock is ahead at a time of the machine."""
        return self.ahead + (time - self.changed).total_seconds() * (self.speed - 1)


def _machine() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


_pace = _Pace(_machine())


def now() -> datetime.datetime:
    """The time, with time zone."""
    time = _machine()
    return time + datetime.timedelta(seconds=_pace.at(time))


def utcnow() -> datetime.datetime:
    """The time in moto's form: naive UTC."""
    return now().replace(tzinfo=None)


def ahead() -> float:
    """Seconds by which the clock is ahead of the machine's."""
    return _pace.at(_machine())


def speed() -> float:
    """Seconds of the clock in a second of the machine."""
    return _pace.speed


def move(seconds: float) -> None:
    """Advance the clock."""
    global _pace
    _pace = replace(_pace, ahead=_pace.ahead + seconds)


def run_at(speed: float) -> None:
    """Set the speed.

    Args:
        speed: Seconds of the clock in a second of the machine.

    Raises:
        ValueError: The speed is not between 1 and `FASTEST`.
    """
    global _pace
    if not 1 <= speed <= FASTEST:
        raise ValueError(f"the clock runs at a speed from 1 to {FASTEST:g}; got {speed:g}")
    time = _machine()
    _pace = _Pace(time, _pace.at(time), speed)


def reset() -> None:
    """Return to the machine's time."""
    global _pace
    _pace = _Pace(_machine())


# moto stamps changes of alarms, and datapoints without a time, with this.
moto.cloudwatch.models.utcnow = utcnow  # type: ignore[attr-defined]
