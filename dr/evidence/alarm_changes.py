"""Alarms before and after a run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dr.operations.measurements import Alarm

UNKNOWN = "unknown"


@dataclass(frozen=True)
class AlarmRow:
    """An alarm before and after a run.

    Args:
        name: Its name.
        region: Its region.
        before: Its state before; "unknown" if it was not read.
        after: Its state after.
        since: Time of the last change of state that was read.
        description: Its meaning.
    """

    name: str
    region: str
    before: str
    after: str
    since: datetime
    description: str

    @property
    def quiet(self) -> bool:
        """Whether it was and is OK."""
        return self.before == self.after == "OK"


def alarm_rows(before: Sequence[Alarm] | None, after: Sequence[Alarm] | None) -> tuple[AlarmRow, ...] | None:
    """Return all alarms: those that fire after the run first, then those that changed, then the others.

    Args:
        before: Alarms before the run; None if they are unknown.
        after: Alarms after it; None if they are unknown.

    Returns:
        None if both are unknown.
    """
    if before is None and after is None:
        return None
    first = {(each.region, each.name): each for each in before or ()}
    last = {(each.region, each.name): each for each in after or ()}
    rows = []
    for key in first | last:
        newest = last.get(key) or first[key]
        was, is_now = (found[key].state if key in found else UNKNOWN for found in (first, last))
        rows.append(AlarmRow(newest.name, newest.region, was, is_now, newest.since, newest.description))
    return tuple(sorted(rows, key=lambda each: (each.after == "OK", each.quiet, each.name, each.region)))
