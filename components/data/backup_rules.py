"""What a backup plan and its vaults are asked for, and what of that cannot work. Pure: no resources."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dr.topology.topology import LockMode

DAILY_AT_TWO = "cron(0 2 * * ? *)"

LEAST_GRACE_DAYS = 3
"""AWS enforces 72 hours in which a compliance lock can still be lifted (API reference, ChangeableForDays)."""

LONGEST_DAYS = 36_500
"""About 100 years: the longest retention and the longest grace AWS Backup takes."""

# At most hourly, so the minute is one number: AWS Backup runs a plan once an hour at most.
SCHEDULE = re.compile(r"cron\([0-5]?\d \S+ (?P<day>\S+) \S+ (?P<weekday>\S+) \S+\)")
RULE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")


@dataclass(frozen=True)
class VaultLock:
    """Retention that a vault enforces (AWS Backup Vault Lock): recovery points cannot be deleted before their time.

    Args:
        min_days: The shortest retention the vault takes, in days. AWS fails every job that asks for less.
        max_days: The longest, in days; None for no limit.
        mode: GOVERNANCE can be lifted by whoever may call backup:DeleteBackupVaultLockConfiguration. COMPLIANCE by
            nobody once its grace is over, the account's root and AWS included: a mistake is then paid for to the end.
        changeable_for_days: The grace of a COMPLIANCE lock, in days, 3 at least; None for GOVERNANCE.
    """

    min_days: int
    max_days: int | None = None
    mode: LockMode = LockMode.GOVERNANCE
    changeable_for_days: int | None = None

    def __post_init__(self) -> None:
        if self.min_days < 1 or max(self.min_days, self.max_days or 1) > LONGEST_DAYS:
            raise ValueError(
                f"a vault lock of {self.min_days} to {self.max_days or 'any number of'} days: AWS takes 1 to "
                f"{LONGEST_DAYS}; choose from those"
            )
        if self.max_days is not None and self.max_days < self.min_days:
            raise ValueError(
                f"a vault lock with a longest retention of {self.max_days} days and a shortest of {self.min_days} days "
                "would fail every backup; raise the longest or lower the shortest"
            )
        if self.mode is LockMode.COMPLIANCE:
            self._check_grace()
        elif self.changeable_for_days is not None:
            raise ValueError(
                f"a governance lock that is changeable for {self.changeable_for_days} days: AWS makes a compliance "
                "lock of every lock with a grace; leave the days out, or ask for COMPLIANCE"
            )

    def _check_grace(self) -> None:
        grace = self.changeable_for_days
        if grace is None:
            raise ValueError(
                "a compliance lock without days in which it is changeable: AWS makes a governance lock of it; "
                f"give it {LEAST_GRACE_DAYS} days or more"
            )
        if grace < LEAST_GRACE_DAYS:
            raise ValueError(
                f"lock grace too short: {grace} days, and AWS enforces {LEAST_GRACE_DAYS} (72 hours), since nobody can "
                f"lift a compliance lock after them; give it {LEAST_GRACE_DAYS} days or more, or use GOVERNANCE"
            )
        if grace > LONGEST_DAYS:
            raise ValueError(f"lock grace too long: {grace} days, and AWS takes {LONGEST_DAYS} at most; shorten it")

    def takes(self, days: int) -> bool:
        """Whether a recovery point kept for so many days may be put into the vault."""
        return self.min_days <= days <= (self.max_days or LONGEST_DAYS)


@dataclass(frozen=True)
class BackupRule:
    """When a backup is made, and how long it and its copy are kept.

    Args:
        name: The rule's name in its plan.
        schedule: When it starts, in UTC, as an AWS cron expression of six fields; every hour at most.
            What only backups carry is at worst as old as the interval and the time that a backup and its copy take.
        retention_days: How long a backup is kept. 30, as long as the cluster's own backups.
        copy_retention_days: How long its copy is kept; None for as long as the backup.
    """

    name: str = "daily"
    schedule: str = DAILY_AT_TWO
    retention_days: int = 30
    copy_retention_days: int | None = None

    def __post_init__(self) -> None:
        if not RULE_NAME.fullmatch(self.name):
            raise ValueError(f"backup rule {self.name!r}: AWS takes 1 to 50 letters, digits and _ . -; rename it")
        for days in (self.retention_days, self.copy_days):
            if not 1 <= days <= LONGEST_DAYS:
                raise ValueError(
                    f"backup rule {self.name} keeps for {days} days, and AWS keeps for 1 to {LONGEST_DAYS}; "
                    "choose a number between"
                )
        fields = SCHEDULE.fullmatch(self.schedule)
        if not fields or (fields["day"] == "?") == (fields["weekday"] == "?"):
            raise ValueError(
                f"backup rule {self.name}: schedule {self.schedule!r} is not cron(minute hour day month weekday year) "
                "with one minute and with ? as either day or weekday, which is what AWS Backup takes; "
                f"daily at 02:00 is {DAILY_AT_TWO}, hourly is cron(0 * * * ? *)"
            )

    @property
    def copy_days(self) -> int:
        """How long the copy is kept."""
        return self.retention_days if self.copy_retention_days is None else self.copy_retention_days


def refuse_what_a_lock_refuses(rule: str, days: int, lock: VaultLock | None) -> None:
    """A retention outside a vault's lock makes every such job fail, at night and unseen: refused before.

    Raises:
        ValueError: The lock does not take the retention.
    """
    if lock and not lock.takes(days):
        most = f"to {lock.max_days}" if lock.max_days else "or more"
        raise ValueError(
            f"backup rule {rule} keeps for {days} days, and the vault's lock takes {lock.min_days} {most}, so that AWS "
            "would fail the job; change the rule's retention or the lock"
        )
