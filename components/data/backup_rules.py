"""Rules of backup plans and locks of backup vaults, with their limits. Pure: creates no resources."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dr.topology.backups import COMPLETE_HOURS, LEAST_COLD_DAYS
from dr.topology.topology import LockMode

DAILY_AT_TWO = "cron(0 2 * * ? *)"

LEAST_GRACE_DAYS = 3
"""Shortest grace time of a compliance lock: 72 hours (AWS Backup API reference, ChangeableForDays)."""

LONGEST_DAYS = 36_500
"""About 100 years: the longest retention and the longest grace time that AWS Backup accepts."""

LEAST_COMPLETE_HOURS = 2

# The minute is one number, because AWS Backup runs a plan at most once an hour.
SCHEDULE = re.compile(r"cron\([0-5]?\d \S+ (?P<day>\S+) \S+ (?P<weekday>\S+) \S+\)")
RULE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")


@dataclass(frozen=True)
class VaultLock:
    """A vault lock (AWS Backup Vault Lock): recovery points cannot be deleted before their retention ends.

    Args:
        min_days: Shortest retention the vault accepts, in days. AWS fails every job with a shorter one.
        max_days: Longest retention, in days; None for no limit.
        mode: A GOVERNANCE lock can be removed by a principal allowed to call
            backup:DeleteBackupVaultLockConfiguration. A COMPLIANCE lock cannot be removed after its grace time, not
            even by the root user or AWS: recovery points kept by mistake are charged until their retention ends.
        changeable_for_days: Grace time of a COMPLIANCE lock, in days, at least 3; None for GOVERNANCE.

    Raises:
        ValueError: The days are out of range or do not fit the mode.
    """

    min_days: int
    max_days: int | None = None
    mode: LockMode = LockMode.GOVERNANCE
    changeable_for_days: int | None = None

    def __post_init__(self) -> None:
        if self.min_days < 1 or max(self.min_days, self.max_days or 1) > LONGEST_DAYS:
            raise ValueError(
                f"vault lock with a retention of {self.min_days} to {self.max_days or 'unlimited'} days: AWS Backup "
                f"accepts 1 to {LONGEST_DAYS}; choose days in that range"
            )
        if self.max_days is not None and self.max_days < self.min_days:
            raise ValueError(
                f"vault lock with max_days {self.max_days} below min_days {self.min_days} would fail every backup job; "
                "raise max_days or lower min_days"
            )
        if self.mode is LockMode.COMPLIANCE:
            self._check_grace()
        elif self.changeable_for_days is not None:
            raise ValueError(
                f"governance lock with changeable_for_days {self.changeable_for_days}: AWS makes every lock with a "
                "grace time a compliance lock; remove changeable_for_days, or set mode to COMPLIANCE"
            )

    def _check_grace(self) -> None:
        grace = self.changeable_for_days
        if grace is None:
            raise ValueError(
                "compliance lock without changeable_for_days: AWS would make it a governance lock; "
                f"set changeable_for_days to {LEAST_GRACE_DAYS} or more"
            )
        if grace < LEAST_GRACE_DAYS:
            raise ValueError(
                f"lock grace too short: {grace} days. AWS enforces at least {LEAST_GRACE_DAYS} (72 hours), because a "
                f"compliance lock cannot be removed afterwards; set {LEAST_GRACE_DAYS} or more, or use GOVERNANCE"
            )
        if grace > LONGEST_DAYS:
            raise ValueError(f"lock grace too long: {grace} days. AWS Backup accepts up to {LONGEST_DAYS}; shorten it")

    def allows(self, days: int) -> bool:
        """Return whether the vault accepts recovery points with this retention, in days."""
        return self.min_days <= days <= (self.max_days or LONGEST_DAYS)


@dataclass(frozen=True)
class BackupRule:
    """Schedule of a backup, and retention of the backup and its copy.

    Args:
        name: The rule's name, unique in its plan.
        schedule: Start time in UTC, as an AWS cron expression of six fields; at most hourly. The worst RPO of data that
            only backups protect is the interval plus the time to complete a backup and its copy.
        retention_days: Retention of a backup, in days. Default 30, as for cluster backups.
        copy_retention_days: Retention of the copy, in days; None for the same as the backup.
        air_gapped_days: Retention of the copy in a logically air-gapped vault, in days; None for the same as the
            backup. That copy stays in warm storage.
        cold_days: Age in days at which the backup and its copy move to cold storage; None: they stay in warm storage.
            For resource types that AWS Backup cannot move it has no effect.
        complete_hours: Hours after its start at which AWS Backup cancels a backup that is not complete, at least 2.

    Raises:
        ValueError: The name, a retention, the completion window or the schedule is invalid.
    """

    name: str = "daily"
    schedule: str = DAILY_AT_TWO
    retention_days: int = 30
    copy_retention_days: int | None = None
    cold_days: int | None = None
    complete_hours: int = COMPLETE_HOURS
    air_gapped_days: int | None = None

    def __post_init__(self) -> None:
        if not RULE_NAME.fullmatch(self.name):
            raise ValueError(
                f"backup rule name {self.name!r} is not valid: use 1 to 50 letters, digits and _ . -; rename the rule"
            )
        for days in (self.retention_days, self.copy_days, self.isolated_days):
            if not 1 <= days <= LONGEST_DAYS:
                raise ValueError(
                    f"backup rule {self.name} has a retention of {days} days: AWS Backup accepts 1 to {LONGEST_DAYS}; "
                    "choose days in that range"
                )
        for days in (self.retention_days, self.copy_days):
            if self.cold_days is not None and days < self.cold_days + LEAST_COLD_DAYS:
                raise ValueError(
                    f"backup rule {self.name} moves to cold storage after {self.cold_days} days and has a retention of "
                    f"{days}: AWS Backup requires {LEAST_COLD_DAYS} days in cold storage; raise the retention to "
                    f"{self.cold_days + LEAST_COLD_DAYS} or more"
                )
        # AWS requires more than the start window, which is an hour.
        if self.complete_hours < LEAST_COMPLETE_HOURS:
            raise ValueError(
                f"backup rule {self.name} has a completion window of {self.complete_hours} h, which includes the start "
                f"window of 1 h; set {LEAST_COMPLETE_HOURS} or more"
            )
        fields = SCHEDULE.fullmatch(self.schedule)
        if not fields or (fields["day"] == "?") == (fields["weekday"] == "?"):
            raise ValueError(
                f"backup rule {self.name}: schedule {self.schedule!r} is not valid. AWS Backup accepts "
                "cron(minute hour day month weekday year) with a single minute and with ? as either day or weekday; "
                f"daily at 02:00 is {DAILY_AT_TWO}, hourly is cron(0 * * * ? *)"
            )

    @property
    def copy_days(self) -> int:
        """Retention of the copy, in days."""
        return self.retention_days if self.copy_retention_days is None else self.copy_retention_days

    @property
    def isolated_days(self) -> int:
        """Retention of the copy in a logically air-gapped vault, in days."""
        return self.retention_days if self.air_gapped_days is None else self.air_gapped_days


def check_lock_allows(rule: str, days: int, lock: VaultLock | None) -> None:
    """Refuse a retention outside a vault lock's range, because AWS would fail every backup job, hours after the deploy.

    Args:
        rule: Name of the backup rule, for the message.
        days: Its retention, in days.
        lock: The vault's lock; None for none.

    Raises:
        ValueError: The lock does not allow the retention.
    """
    if lock and not lock.allows(days):
        most = f"to {lock.max_days}" if lock.max_days else "or more"
        raise ValueError(
            f"backup rule {rule} has a retention of {days} days, but the vault's lock allows {lock.min_days} {most}: "
            "AWS Backup would fail every job; change the rule's retention or the lock"
        )
