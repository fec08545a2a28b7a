"""Readiness checks of backups: the newest copy of each class of data in the recovery region."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dr.clients import calls, client
from dr.findings import Finding, Status
from dr.operations.inspected import Inspected
from dr.topology.backups import Backups, newest_of_class
from dr.topology.tiers import describe_duration
from dr.topology.topology import Role

HINT = "look at the backup and copy jobs of AWS Backup in the primary region"


def copies(inspected: Inspected) -> Iterator[Finding]:
    """Check the age of the newest copy of each class against its objective, by AWS's clock."""
    scene, region = inspected.scene, inspected.region
    vault = scene.topology.copies_vault(Role.RECOVERY)
    with calls(f"backup vault {vault}", region):
        pages = client("backup", region).get_paginator("list_recovery_points_by_backup_vault")
        points = [point for page in pages.paginate(BackupVaultName=vault) for point in page["RecoveryPoints"]]
    newest = newest_of_class(points)
    for backups in scene.topology.backups:
        yield judge(backups, newest.get(backups.data), region, scene.alarms().at)


def judge(backups: Backups, newest: datetime | None, region: str, now: datetime) -> Finding:
    """Judge the newest copy of a class. Pure.

    A class without a copy may have no resource; the check of the vault reports one to which nothing is copied.
    """
    name, objective = f"copies of {backups.data} in {region}", f"at most {describe_duration(backups.rpo)} old"
    if newest is None:
        return Finding(name, Status.INFO, "none: no resource of this class was copied")
    age = max(now - newest, now - now)
    status = Status.MISSED if age > backups.rpo else Status.MET
    hint = HINT if status is Status.MISSED else ""
    return Finding(name, status, f"newest {describe_duration(age)} old", hint, objective)
