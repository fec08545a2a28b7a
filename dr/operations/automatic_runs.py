"""Earlier runs of automation, from the journal. A function uses this module too."""

from __future__ import annotations

from datetime import datetime

from dr.control.shared_journal import SharedJournal
from dr.operations import automation
from dr.operations.automation import APART


def last_run(journal: SharedJournal, now: datetime) -> datetime | None:
    """Return when the last automatic run within `APART` started; None if none did.

    A run that did not open its incident has changed nothing, and does not count.

    Args:
        journal: The journal in the recovery region.
        now: Time by the clock of S3.

    Raises:
        Unreachable: The region does not answer.
    """
    oldest = f"{now - APART:%Y%m%dT%H%M%SZ}"
    for run in reversed([each for each in journal.runs() if each >= oldest]):
        entries = list(journal.entries(run))
        opened = any((each.event, each.step) == ("step.done", "open-incident") for each in entries)
        if opened and automation.is_automatic(str(entries[0].data.get("by", ""))):
            return entries[0].at
    return None
