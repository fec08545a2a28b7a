"""Check which backup vaults can be deleted: their recovery points, until when they are kept, and their locks.

AWS deletes an empty vault only. A lock denies the deletion of recovery points to everyone: a compliance lock after its
date for ever, a governance lock until it is removed (AWS Backup developer guide, "AWS Backup Vault Lock"). The exact
number of recovery points is that of the list (API reference, DescribeBackupVault, `NumberOfRecoveryPoints`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import DrError
from dr.findings import Finding, Status, unknown
from dr.preflight.check import Subject
from dr.topology.air_gap import AirGap
from dr.topology.topology import Role, Topology

NAME = "backup vaults"
AIR_GAPPED = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"
HOW = "docs/how-to/vaults.md"


@dataclass(frozen=True)
class Held:
    """A vault, and what keeps it.

    Args:
        name: Its name.
        region: Its region.
        air_gapped: Whether it is a logically air-gapped one.
        locked: Whether it has a lock.
        permanent: When the lock becomes permanent; None: it can be removed.
        days: Shortest and longest retention that it accepts; None for no limit.
        points: Number of recovery points.
        last: When the last one is deleted; None: it is empty, or one is kept without an end.
    """

    name: str
    region: str
    air_gapped: bool
    locked: bool
    permanent: datetime | None
    days: tuple[int | None, int | None]
    points: int
    last: datetime | None

    def is_permanent(self, now: datetime) -> bool:
        """Whether no one can remove its lock: that of an air-gapped vault is permanent from the first day."""
        return self.air_gapped or (self.permanent is not None and self.permanent <= now)


def look(subject: Subject) -> Iterator[Finding]:
    """Describe each vault of the primary stack, in both regions.

    Args:
        subject: The deployment to check.
    """
    topology = subject.topology
    if topology.role is not Role.PRIMARY:
        yield Finding(NAME, Status.INFO, "the primary stack owns them")
        return
    found = 0
    for role in Role:
        region = topology.site(role).region
        isolated = [topology.air_gapped_vault] if role is Role.RECOVERY and topology.air_gap else []
        for name in (topology.local_vault(role), topology.copies_vault(role), *isolated):
            try:
                held, now = read(region, name)
            except Missing:
                continue
            except DrError as error:
                yield unknown(f"vault {name} in {region}", error)
            else:
                yield judge(held, topology, now)
            found += 1
    if not found:
        yield Finding(NAME, Status.INFO, "none exists yet")


def read(region: str, name: str) -> tuple[Held, datetime]:
    """Return a vault, and AWS's time.

    Raises:
        Missing: It does not exist.
        Denied: AWS refused the request; for a vault that does not exist, too.
        Unreachable: The region does not answer.
    """
    with calls(f"vault {name}", region):
        backup = client("backup", region)
        vault = backup.describe_backup_vault(BackupVaultName=name)
        pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
        points = [each for page in pages for each in page["RecoveryPoints"]]
    sent = vault["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    return parse(region, vault, points), _time(sent)


def _time(header: str) -> datetime:
    return parsedate_to_datetime(header) if header else datetime.now(UTC)


def parse(region: str, vault: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Held:
    """Return a vault from AWS's answers. Pure."""
    ends = [_end(each) for each in points]
    known = [each for each in ends if each is not None]
    return Held(
        name=vault["BackupVaultName"],
        region=region,
        air_gapped=vault.get("VaultType") == AIR_GAPPED,
        locked=bool(vault.get("Locked")),
        permanent=vault.get("LockDate") if vault.get("Locked") else None,
        days=(vault.get("MinRetentionDays"), vault.get("MaxRetentionDays")),
        points=len(points),
        last=max(known) if known and len(known) == len(ends) else None,
    )


def _end(point: Mapping[str, Any]) -> datetime | None:
    """Return when AWS deletes a recovery point; None if it never does."""
    due: datetime | None = point.get("CalculatedLifecycle", {}).get("DeleteAt")
    days = point.get("Lifecycle", {}).get("DeleteAfterDays")
    if due is None and days is not None and days > 0:
        created: datetime = point["CreationDate"]
        return created + timedelta(days=days)
    return due


def judge(held: Held, topology: Topology, now: datetime) -> Finding:
    """Judge a vault. Pure.

    It is missed if the configuration contradicts it: its data is not protected any more, so `pulumi destroy` is next,
    and AWS would refuse; or its bounds differ, which AWS never changes.

    Args:
        held: The vault.
        topology: The topology to deploy.
        now: The time, by AWS's clock.
    """
    name = f"vault {held.name} in {held.region}"
    if held.air_gapped and topology.air_gap and held.days != _bounds(topology.air_gap):
        least, most = held.days
        return Finding(
            name,
            Status.MISSED,
            f"accepts {least} to {most} days, and the configuration says {topology.air_gap.min_days} to "
            f"{topology.air_gap.max_days}: AWS never changes the bounds of an air-gapped vault",
            f"`pulumi config set dr:airGappedMinDays {least}` and `pulumi config set dr:airGappedMaxDays {most}` in "
            "both stacks",
        )
    if not held.points:
        return Finding(name, Status.INFO, f"empty{_lock(held, now)}")
    until = f"until {held.last:%Y-%m-%d %H:%M} UTC" if held.last else "without an end"
    fact = f"{held.points} recovery points, kept {until}{_lock(held, now)}"
    if not held.is_permanent(now):
        return Finding(name, Status.INFO, fact, "" if topology.protect_data else _removable(held))
    if topology.protect_data:
        return Finding(name, Status.INFO, f"{fact}. No one can delete it before")
    wait = f"wait until {held.last:%Y-%m-%d}" if held.last else "it stays"
    return Finding(
        name,
        Status.MISSED,
        f"{fact}. `pulumi destroy` cannot delete it before, and neither can AWS",
        f"{wait}, or give the vault up: remove it from the state, see {HOW}",
    )


def _bounds(vault: AirGap) -> tuple[int, int]:
    return vault.min_days, vault.max_days


def _lock(held: Held, now: datetime) -> str:
    if held.air_gapped:
        return "; logically air-gapped, with a permanent lock"
    if not held.locked:
        return "; no lock"
    if held.permanent is None:
        return "; governance lock"
    if not held.is_permanent(now):
        return f"; compliance lock, permanent from {held.permanent:%Y-%m-%d %H:%M} UTC"
    return "; compliance lock, permanent"


def _removable(held: Held) -> str:
    """Return what deletes a vault with recovery points that can be deleted."""
    if held.permanent is not None:
        return f"`pulumi destroy` deletes it with its recovery points before {held.permanent:%Y-%m-%d %H:%M} UTC only"
    return "`pulumi destroy` deletes it with its recovery points"
