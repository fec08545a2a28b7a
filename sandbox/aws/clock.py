"""The sandbox's clock: real time plus an offset, so that an hour of alarms takes seconds.

CloudWatch, schedules and functions use it; S3, IAM and the rest use the machine's clock.
"""

from __future__ import annotations

import datetime

import moto.cloudwatch.models

_offset = datetime.timedelta()


def now() -> datetime.datetime:
    """The time, with time zone."""
    return datetime.datetime.now(datetime.UTC) + _offset


def utcnow() -> datetime.datetime:
    """The time in moto's form: naive UTC."""
    return now().replace(tzinfo=None)


def ahead() -> float:
    """Seconds by which the clock is ahead of the machine's."""
    return _offset.total_seconds()


def move(seconds: float) -> None:
    """Advance the clock."""
    global _offset
    _offset += datetime.timedelta(seconds=seconds)


def reset() -> None:
    """Return to the machine's time."""
    global _offset
    _offset = datetime.timedelta()


# moto stamps changes of alarms, and datapoints without a time, with this.
moto.cloudwatch.models.utcnow = utcnow  # type: ignore[attr-defined]
