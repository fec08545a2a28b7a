"""Readiness checks of backups: the newest copy of each class of data, and volumes that no plan selects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dr.clients import calls, client
from dr.data.volumes import BACKUP_KEY, ENABLED, Coverage, coverage
from dr.errors import DrError
from dr.findings import Finding, Status, unknown
from dr.operations.inspected import PRIMARY_BY, Inspected
from dr.topology.backups import Backups, class_of, newest_of_class
from dr.topology.tiers import describe_duration
from dr.topology.topology import Role

HINT = "look at the backup and copy jobs of AWS Backup in the primary region"


def copies(inspected: Inspected) -> Iterator[Finding]:
    """Check the age of the newest copy of each class against its objective, by AWS's clock."""
    scene, region = inspected.scene, inspected.region
    newest = newest_of_class(_points(region, scene.topology.copies_vault(Role.RECOVERY)))
    for backups in scene.topology.backups:
        yield judge(backups, newest.get(backups.data), region, scene.alarms().at)


def isolated(inspected: Inspected) -> Iterator[Finding]:
    """Check the copies in the logically air-gapped vault, if there is one: how many of each class, and the newest."""
    scene, region = inspected.scene, inspected.region
    if (vault := scene.topology.air_gap) is None:
        return
    points = _points(region, scene.topology.air_gapped_vault)
    others = newest_of_class(_points(region, scene.topology.copies_vault(Role.RECOVERY)))
    for backups in scene.topology.backups:
        if backups.data in vault.classes:
            yield judge_isolated(backups, points, backups.data in others, region, scene.alarms().at)


def _points(region: str, vault: str) -> list[Mapping[str, Any]]:
    with calls(f"backup vault {vault}", region):
        pages = client("backup", region).get_paginator("list_recovery_points_by_backup_vault")
        return [point for page in pages.paginate(BackupVaultName=vault) for point in page["RecoveryPoints"]]


def judge_isolated(
    backups: Backups, points: Sequence[Mapping[str, Any]], expected: bool, region: str, now: datetime
) -> Finding:
    """Judge the air-gapped copies of a class. Pure.

    Args:
        backups: How the class is backed up.
        points: Recovery points of the vault.
        expected: Whether the other vault of the region has a copy of the class.
        region: Region of the vault.
        now: The time, by AWS's clock.
    """
    newest = newest_of_class(points).get(backups.data)
    found = judge(backups, newest, region, now)
    name = f"air-gapped {found.name}"
    if newest is None:
        if not expected:
            return replace(found, name=name)
        hint = f"{HINT}; the first one arrives with the next backup"
        return Finding(name, Status.MISSED, "none, although the other vault has one", hint, objective_of(backups))
    count = sum(point["Status"] == "COMPLETED" and class_of(point["ResourceType"]) is backups.data for point in points)
    return replace(found, name=name, measured=f"{count}, {found.measured}")


def judge(backups: Backups, newest: datetime | None, region: str, now: datetime) -> Finding:
    """Judge the newest copy of a class. Pure.

    A class without a copy may have no resource; the check of the vault reports one to which nothing is copied.
    """
    name, objective = f"copies of {backups.data} in {region}", objective_of(backups)
    if newest is None:
        return Finding(name, Status.INFO, "none: no resource of this class was copied")
    age = max(now - newest, now - now)
    status = Status.MISSED if age > backups.rpo else Status.MET
    hint = HINT if status is Status.MISSED else ""
    return Finding(name, status, f"newest {describe_duration(age)} old", hint, objective)


def objective_of(backups: Backups) -> str:
    """Return the objective of a class, as text."""
    return f"at most {describe_duration(backups.rpo)} old"


SHOWN = 3
"""Volumes that a finding names."""


def volumes(inspected: Inspected) -> Iterator[Finding]:
    """Check that every volume of this deployment that holds state has the tag of the backup plans, in each region."""
    scene, workload = inspected.scene, inspected.scene.topology.bucket_prefix
    other = inspected.ask_primary("EBS volumes", lambda: coverage(scene.home, workload))
    yield judge_volumes(coverage(inspected.region, workload), inspected.region)
    try:
        yield judge_volumes(other.result(PRIMARY_BY), scene.home)
    except DrError as error:
        yield unknown(f"volumes in {scene.home}", error)


def judge_volumes(found: Coverage, region: str) -> Finding:
    """Judge whether backup plans select the volumes of a region. Pure.

    Volumes of others are named, and do not count.
    """
    name, objective = f"volumes in {region}", f"each has the tag {BACKUP_KEY}={ENABLED}"
    others = f"; others without it: {_named(found.others)}" if found.others else ""
    if found.lacking:
        text = f"{len(found.lacking)} of {found.total} without the tag: {_named(found.lacking)}{others}"
        command = f"aws ec2 create-tags --region {region} --resources {found.lacking[0]}"
        return Finding(name, Status.MISSED, text, f"`{command} --tags Key={BACKUP_KEY},Value={ENABLED}`", objective)
    if not found.total - len(found.others):
        return Finding(name, Status.INFO, f"none that holds state{others}", "", objective)
    return Finding(name, Status.MET, f"{found.total - len(found.others)} have it{others}", "", objective)


def _named(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more
