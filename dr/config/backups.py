"""Settings of backups by class of data (`dr:backups`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from dr.config.types import Days, Settings, setting, wrong
from dr.errors import Problem
from dr.topology.backups import (
    COLD,
    COLD_DAYS,
    COMPLETE_HOURS,
    EVERY_HOURS,
    LEAST_COLD_DAYS,
    Backups,
    DataClass,
)

HOURS_OF_A_DAY = 24


def _interval(hours: int) -> int:
    if HOURS_OF_A_DAY % hours:
        raise wrong(
            f"{hours} h does not divide a day: backups would not be evenly spaced", "use 1, 2, 3, 4, 6, 8, 12 or 24"
        )
    return hours


class BackupSettings(Settings):
    """An entry of `dr:backups`: how a class of data is backed up."""

    data: DataClass = setting(
        ..., "Class of data: S3 objects, EBS volumes and EC2 instances, EFS and FSx files, databases"
    )
    every_hours: Annotated[int, Field(ge=1, le=HOURS_OF_A_DAY), AfterValidator(_interval)] | None = setting(
        None,
        "Interval between backups, a divisor of 24. The newest copy in the other region is then at most two intervals "
        "and 2 hours old, or `dr status` and an alarm report it",
        unit="hours",
        shown=f"{EVERY_HOURS}",
    )
    retention_days: Days | None = setting(
        None, "How long recovery points and their copies are kept", unit="days", shown="`dr:backupRetentionDays`"
    )
    complete_hours: Annotated[int, Field(ge=2, le=100 * HOURS_OF_A_DAY)] | None = setting(
        None,
        "Time from its start after which AWS Backup cancels an incomplete backup. A first backup copies all data",
        unit="hours",
        shown=f"{COMPLETE_HOURS}",
    )
    archive_days: Days | None = setting(
        None,
        "How long the first backup of each month and its copy are kept, in cold storage; `volumes` (EBS) and `files` "
        "(EFS) only. Without it no backup moves there",
        unit="days",
    )
    cold_days: Days | None = setting(
        None,
        f"Age at which that backup moves to cold storage, at least {LEAST_COLD_DAYS} days before it is deleted",
        unit="days",
        shown=f"{COLD_DAYS}",
    )

    def apply(self, standard: Backups) -> Backups:
        """Return how the class is backed up.

        Args:
            standard: The defaults of the class.
        """
        values: dict[str, Any] = self.model_dump(exclude_none=True)
        return Backups(**{**vars(standard), **values})


def backups_of(settings: Sequence[BackupSettings], retention_days: int) -> tuple[Backups, ...]:
    """Return how each class is backed up.

    Args:
        settings: Entries of `dr:backups`.
        retention_days: `dr:backupRetentionDays`.
    """
    entries = {entry.data: entry for entry in settings}
    standard = (Backups(data, retention_days=retention_days) for data in DataClass)
    return tuple(entries[each.data].apply(each) if each.data in entries else each for each in standard)


def backup_problems(settings: Sequence[BackupSettings], retention_days: int) -> Iterator[Problem]:
    """Yield problems of entries that are valid separately, by key."""
    if len({entry.data for entry in settings}) < len(settings):
        yield Problem("dr:backups", "two entries are about the same class of data", "merge them into one")
    archived = {entry.data for entry in settings if entry.archive_days is not None}
    for entry in settings:
        if entry.cold_days is not None and entry.data not in archived:
            yield Problem(
                f"dr:backups.{entry.data}.coldDays",
                f"is {entry.cold_days}, and archiveDays is not set: no backup moves to cold storage",
                "set archiveDays, or remove coldDays",
            )
    for each in backups_of(settings, retention_days):
        yield from _archive_problems(each)


def _archive_problems(backups: Backups) -> Iterator[Problem]:
    if backups.archive_days is None:
        return
    key, days = f"dr:backups.{backups.data}.archiveDays", backups.archive_days
    if backups.data not in COLD:
        yield Problem(
            key,
            f"is {days}, and AWS Backup moves no resource type of {backups.data} to cold storage: the backup would be "
            "kept, and charged, in warm storage",
            f"remove it; cold storage is for {', '.join(f'{data} ({kind})' for data, kind in COLD.items())}",
        )
    elif days < backups.cold_days + LEAST_COLD_DAYS:
        yield Problem(
            key,
            f"is {days}, and the backup moves to cold storage after {backups.cold_days} days: AWS Backup keeps it "
            f"there for at least {LEAST_COLD_DAYS}",
            f"set {backups.cold_days + LEAST_COLD_DAYS} or more, or fewer coldDays",
        )
    elif days <= backups.retention_days:
        yield Problem(
            key,
            f"is {days}, and every backup is kept for {backups.retention_days} days in warm storage",
            f"set more than {backups.retention_days}, or shorten retentionDays",
        )
