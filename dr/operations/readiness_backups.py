"""Readiness checks of backups: the newest copy of each class of data, and volumes that no plan selects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from dr.data import recovery_points
from dr.data.recovery_points import Point, newest_of_class
from dr.data.volume_coverage import Coverage, coverage
from dr.data.volumes import BACKUP_KEY, ENABLED
from dr.errors import DrError
from dr.findings import Finding, Status, unknown
from dr.operations.awaited_copies import Awaited, AwaitedCopies
from dr.operations.inspected import PRIMARY_BY, Inspected
from dr.operations.lookups import Pending
from dr.topology.backups import Backups, DataClass, class_of
from dr.topology.tiers import describe_duration
from dr.topology.topology import Role

HINT = "look at the backup and copy jobs of AWS Backup in the primary region"
AURORA_HINT = "`dr preflight -s primary` shows whether that region backs up Aurora"


def copies(inspected: Inspected) -> Iterator[Finding]:
    """Check the age of the newest copy of each class against its objective, by AWS's clock."""
    seen = _Vault(inspected, inspected.scene.topology.copies_vault(Role.RECOVERY))
    for backups in inspected.scene.topology.backups:
        yield seen.judge(backups)


def isolated(inspected: Inspected) -> Iterator[Finding]:
    """Check the copies in the logically air-gapped vault, if there is one: how many of each class, and the newest."""
    topology = inspected.scene.topology
    if (vault := topology.air_gap) is None:
        return
    seen = _Vault(inspected, topology.air_gapped_vault)
    other = _points(inspected, topology.copies_vault(Role.RECOVERY))
    others = newest_of_class(other.result())
    for backups in topology.backups:
        if backups.data not in vault.classes:
            continue
        count = len(seen.of(backups.data))
        if not count and backups.data in others:
            yield only_elsewhere(backups, inspected.region)
        else:
            yield counted(seen.judge(backups), count)


def _points(inspected: Inspected, vault: str) -> Pending[list[Point]]:
    read = partial(recovery_points.read, inspected.region, vault)
    return inspected.lookups.start(f"backup vault {vault}", inspected.region, read)


class _Vault:
    """Lookups of a vault of copies, which run together.

    Args:
        inspected: What readiness is checked of.
        name: Name of the vault.
    """

    def __init__(self, inspected: Inspected, name: str) -> None:
        self._region = inspected.region
        self._alarms = inspected.lookups.start("AWS's clock", inspected.region, inspected.scene.alarms)
        self._points = _points(inspected, name)
        self._awaited = AwaitedCopies(inspected, name)

    def of(self, data: DataClass) -> list[Point]:
        """Return the copies of a class. Raises as `recovery_points.read`."""
        return [each for each in self._points.result() if class_of(each.kind) is data]

    def judge(self, backups: Backups) -> Finding:
        """Judge a class by its newest copy and those of its resources, or by what is awaited without one.

        Raises as `AwaitedCopies.of`.
        """
        now, awaited = self._alarms.result().at, self._awaited.of(backups.data)
        newest = {each.name: each.created for each in recovery_points.newest(self.of(backups.data)).values()}
        if not newest:
            return judge_missing(backups, awaited, self._region, now)
        found = judge(backups, max(newest.values()), self._region, now)
        return with_resources(found, backups, newest, awaited, now)


def counted(found: Finding, count: int) -> Finding:
    """Return what was found of a class in the air-gapped vault, with the number of its copies there. Pure."""
    measured = f"{count}, {found.measured}" if count else found.measured
    return replace(found, name=f"air-gapped {found.name}", measured=measured)


def only_elsewhere(backups: Backups, region: str) -> Finding:
    """Return the finding of a class of which the other vault of the region has a copy, and the air-gapped one none."""
    hint = f"{HINT}; the first one arrives with the next backup"
    name, fact = f"air-gapped {_name(backups, region)}", "none, although the other vault has one"
    return Finding(name, Status.MISSED, fact, hint, objective_of(backups))


def judge(backups: Backups, newest: datetime, region: str, now: datetime) -> Finding:
    """Judge the newest copy of a class. Pure."""
    age = max(now - newest, now - now)
    status = Status.MISSED if age > backups.rpo else Status.MET
    hint = HINT if status is Status.MISSED else ""
    text = f"newest {describe_duration(age)} old"
    return Finding(_name(backups, region), status, text, hint, objective_of(backups))


def with_resources(
    found: Finding, backups: Backups, newest: Mapping[str, datetime], awaited: Awaited, now: datetime
) -> Finding:
    """Return the finding of a class, missed too if the copies of single resources are late. Pure.

    Args:
        found: What the newest copy of the class shows.
        backups: How the class is backed up.
        newest: Time of the newest copy of each resource, by its name.
        awaited: What is to be copied.
        now: The time, by AWS's clock.
    """
    if awaited.error is not None and awaited.since is None:
        reason = unknown(found.name, awaited.error).measured
        return replace(found, measured=f"{found.measured}; of which resources is unknown: {reason}")
    starts = {each.id: max(each.created, awaited.vault) for each in awaited.resources}
    late = [name for name, start in starts.items() if now - newest.get(name, start) > backups.rpo]
    if not late or found.status is Status.MISSED:
        return found
    named = _named(tuple(f"{name} ({_copy_of(newest.get(name), starts[name], now)})" for name in late))
    text = f"{found.measured}, but {len(late)} of {len(starts)} late: {named}"
    return replace(found, status=Status.MISSED, measured=text, hint=HINT)


def _copy_of(newest: datetime | None, start: datetime, now: datetime) -> str:
    return f"none in {describe_duration(now - start)}" if newest is None else f"{describe_duration(now - newest)} old"


def judge_missing(backups: Backups, awaited: Awaited, region: str, now: datetime) -> Finding:
    """Judge a class without a copy: it is missed once what is to be copied is older than the objective. Pure.

    Args:
        backups: How the class is backed up.
        awaited: What is to be copied.
        region: Region of the vault.
        now: The time, by AWS's clock.
    """
    name, objective, late = _name(backups, region), objective_of(backups), now - backups.rpo
    if awaited.since is not None and awaited.start < late:
        age = describe_duration(now - awaited.start)
        hint = f"{HINT}; {AURORA_HINT}" if backups.data is DataClass.DATABASES else HINT
        return Finding(name, Status.MISSED, f"none arrived in {age}, although {awaited.text}", hint, objective)
    left = describe_duration(awaited.start - late)
    if awaited.error is not None:
        if awaited.vault < late:
            found = unknown(name, awaited.error)
            return replace(
                found, measured=f"none; whether one is late is unknown: {found.measured}", objective=objective
            )
        left = describe_duration(awaited.vault - late)
        return Finding(name, Status.INFO, f"none yet; none is late for another {left}", "", objective)
    if awaited.since is None:
        return Finding(name, Status.INFO, f"none: {awaited.text}")
    return Finding(name, Status.INFO, f"none yet; the first is due within {left}", "", objective)


def _name(backups: Backups, region: str) -> str:
    return f"copies of {backups.data} in {region}"


def objective_of(backups: Backups) -> str:
    """Return the objective of a class, as text."""
    return f"at most {describe_duration(backups.rpo)} old"


SHOWN = 3
"""Resources that a finding names."""


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
