"""Classes of data and how each is backed up: schedule, retention, cold storage, objective of its copies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

RETENTION_DAYS = 35
EVERY_HOURS = 12
"""With one backup a day, the newest copy is older than 24 h until the next one completes."""
COMPLETE_HOURS = 7 * 24
"""The default of AWS Backup: 7 days. AWS cancels a longer backup; a first backup copies all data."""
COLD_DAYS = 30
LEAST_COLD_DAYS = 90
"""Least days in cold storage (AWS Backup API reference, Lifecycle)."""
GRACE_DAYS = 7
"""Days until a compliance lock becomes permanent; AWS Backup requires at least 3."""
COPY_HOURS = 2
"""Time for a backup and its copy."""


class DataClass(StrEnum):
    """A class of data: resource types that are backed up by the same rules."""

    OBJECTS = "objects"
    """Objects of S3 buckets."""
    VOLUMES = "volumes"
    """EBS volumes and EC2 instances."""
    FILES = "files"
    """EFS and FSx file systems."""
    DATABASES = "databases"
    """DynamoDB tables, RDS instances, and clusters of Aurora, DocumentDB and Neptune."""


TYPES: Mapping[DataClass, tuple[str, ...]] = {
    DataClass.OBJECTS: ("S3",),
    DataClass.VOLUMES: ("EBS", "EC2"),
    DataClass.FILES: ("EFS", "FSx"),
    DataClass.DATABASES: ("DynamoDB", "RDS", "Aurora", "DocumentDB", "Neptune"),
}
"""AWS Backup's names of the resource types of each class."""

COLD: Mapping[DataClass, str] = {DataClass.VOLUMES: "EBS", DataClass.FILES: "EFS"}
"""Classes with a resource type that can move to cold storage, and the type.

AWS Backup ignores the move for other types, which then stay in warm storage (API reference, Lifecycle; developer guide,
"Feature availability by resource", "Lifecycle to cold storage"). DynamoDB needs its advanced features, which a region
opts in to ("Advanced DynamoDB backup").
"""


@dataclass(frozen=True)
class Backups:
    """How a class of data is backed up.

    Args:
        data: The class.
        every_hours: Interval between backups in hours, a divisor of 24.
        retention_days: Days for which recovery points and their copies are kept.
        complete_hours: Hours after which AWS Backup cancels a backup that is not complete.
        archive_days: Days for which the backup of the first day of a month is kept; None: as the others.
        cold_days: Age in days at which that backup moves to cold storage.
    """

    data: DataClass
    every_hours: int = EVERY_HOURS
    retention_days: int = RETENTION_DAYS
    complete_hours: int = COMPLETE_HOURS
    archive_days: int | None = None
    cold_days: int = COLD_DAYS

    @property
    def rpo(self) -> timedelta:
        """Objective of the age of the newest copy: two intervals, so that one failed backup does not miss it."""
        return timedelta(hours=2 * self.every_hours + COPY_HOURS)

    @property
    def schedule(self) -> str:
        """Schedule in UTC, as an AWS cron expression; 02:00 is one of the times."""
        hours = {1: "*", 24: "2"}.get(self.every_hours, f"{2 % self.every_hours}/{self.every_hours}")
        return f"cron(0 {hours} * * ? *)"

    @property
    def archive_schedule(self) -> str:
        """Schedule of the backup for cold storage: the first backup of a month.

        It starts with a regular one. Of rules that overlap, AWS Backup runs the one with the longer retention only
        (developer guide, "Backup plan options and configuration"), so the data is not backed up twice.
        """
        first = 0 if self.every_hours == 1 else 2 % self.every_hours
        return f"cron(0 {first} 1 * ? *)"


def every_class() -> tuple[Backups, ...]:
    """Return the defaults of all classes."""
    return tuple(Backups(data) for data in DataClass)


def always_copied(database: bool) -> tuple[DataClass, ...]:
    """Return the classes of which every deployment has resources, so that a copy has to arrive.

    Args:
        database: Whether a database is configured.
    """
    return (DataClass.OBJECTS, *((DataClass.DATABASES,) if database else ()))


def class_of(resource_type: str) -> DataClass | None:
    """Return the class of one of AWS Backup's resource types; None for a type of no class."""
    return next((data for data, types in TYPES.items() if resource_type in types), None)
