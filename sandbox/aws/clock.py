"""The sandbox's clock: real time and an offset that only grows, so that an hour of alarms takes seconds.

CloudWatch, schedules and functions go by it; S3, IAM and the rest by the machine's.
"""

from __future__ import annotations

import datetime

import moto.cloudwatch.models

_offset = datetime.timedelta()


def now() -> datetime.datetime:
    """The time, with its zone."""
    return datetime.datetime.now(datetime.UTC) + _offset


def utcnow() -> datetime.datetime:
    """The time as moto keeps it: UTC, and naive."""
    return now().replace(tzinfo=None)


def move(seconds: float) -> None:
    """Put the clock forward."""
    global _offset
    _offset += datetime.timedelta(seconds=seconds)


def reset() -> None:
    """Back to the machine's time."""
    global _offset
    _offset = datetime.timedelta()


# Datapoints without a time, and changes of alarms, are stamped by moto with this.
moto.cloudwatch.models.utcnow = utcnow  # type: ignore[attr-defined]
