"""AWS Backup's jobs: recovery points of S3 buckets and EBS volumes, by the schedules of plans, and their copies.

A job completes at once. Sources: AWS Backup developer guide, "Assign resources with AWS CLI" (which resources a
selection covers, and when opt-in settings apply) and "Service opt-in".
"""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from moto.backup.models import Vault, backup_backends
from moto.ec2.models import ec2_backends
from moto.s3.models import s3_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.world import World

DEFAULT_OPT_IN = {
    **dict.fromkeys(("DynamoDB", "EBS", "EC2", "EFS", "FSx", "RDS"), True),
    **dict.fromkeys(("Aurora", "DocumentDB", "Neptune", "Redshift", "S3"), False),
}
"""Opt-in settings of a region at first. On AWS they depend on when the account first used AWS Backup there; the sandbox
has the less favourable case."""

_opt_in: dict[str, dict[str, bool]] = {}


@dataclass(frozen=True)
class Resource:
    """What AWS Backup can back up."""

    arn: str
    type: str
    tags: Mapping[str, str]


def opt_in(region: str) -> dict[str, bool]:
    """The opt-in settings of a region, which the caller may change."""
    return _opt_in.setdefault(region, dict(DEFAULT_OPT_IN))


def forget() -> None:
    """Return to the first settings."""
    _opt_in.clear()


def run(world: World, minute: datetime.datetime) -> None:
    """Start the jobs of all rules that are due in a minute."""
    for region, backend in list(backup_backends[ACCOUNT].items()):
        if world.faults.unreachable(region):
            continue
        for plan in list(backend.plans.values()):
            due = [each for each in plan.backup_plan["Rules"] if is_due(each.get("ScheduleExpression", ""), minute)]
            # Of rules that overlap, AWS Backup runs the one with the longer retention ("Backup plan options and
            # configuration"); here, of rules that start in the same minute.
            if due:
                for selection in vars(plan).get("selections", {}).values():
                    _back_up(world, region, max(due, key=_retention), selection["BackupSelection"], minute)


def _retention(rule: Mapping[str, Any]) -> float:
    return float(rule.get("Lifecycle", {}).get("DeleteAfterDays", "inf"))


def is_due(schedule: str, minute: datetime.datetime) -> bool:
    """Whether a cron expression starts in a minute: hours of each day, or of one day of the month."""
    parts = schedule.removeprefix("cron(").removesuffix(")").split()
    if len(parts) != 6 or not parts[0].isdigit():
        return False
    on_day = parts[2] in ("*", "?", str(minute.day))
    return on_day and minute.minute == int(parts[0]) and minute.hour in _hours(parts[1])


def _hours(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        start, _, step = part.partition("/")
        first = 0 if start == "*" else int(start)
        every = int(step) if step else (1 if start == "*" else 24)
        found.update(range(first, 24, every))
    return found


def selected(region: str, selection: Mapping[str, Any]) -> list[Resource]:
    """The resources of a region that a selection covers.

    Types that `Resources` names are covered whatever the opt-in settings are, then `Conditions` filter them, and
    `NotResources` exclude some. `ListOfTags` alone, and `*`, cover the types that the region opted in to.
    """
    named, tags = selection.get("Resources") or [], selection.get("ListOfTags") or []
    settings = opt_in(region)
    found = []
    for each in resources(region):
        by_type = any(arn != "*" and fnmatch.fnmatchcase(each.arn, arn) for arn in named)
        by_tag = any(each.tags.get(tag["ConditionKey"]) == tag["ConditionValue"] for tag in tags)
        anything = "*" in named or not (named or tags)
        if not by_type and not ((by_tag or anything) and settings.get(each.type)):
            continue
        if any(fnmatch.fnmatchcase(each.arn, arn) for arn in selection.get("NotResources") or []):
            continue
        if _meets(each.tags, selection.get("Conditions") or {}):
            found.append(each)
    return found


def _meets(tags: Mapping[str, str], conditions: Mapping[str, Any]) -> bool:
    def holds(operator: str, wanted: Mapping[str, str]) -> bool:
        value = tags.get(wanted["ConditionKey"].removeprefix("aws:ResourceTag/"))
        same = value is not None and (
            fnmatch.fnmatchcase(value, wanted["ConditionValue"])
            if operator.endswith("Like")
            else value == wanted["ConditionValue"]
        )
        return same != operator.startswith("StringNot")

    return all(holds(operator, each) for operator, listed in conditions.items() for each in listed)


def resources(region: str) -> Iterator[Resource]:
    """The buckets and volumes of a region."""
    s3 = s3_backends[ACCOUNT][PARTITION]
    for bucket in list(s3.buckets.values()):
        if bucket.region_name == region:
            yield Resource(bucket.arn, "S3", s3.tagger.get_tag_dict_for_resource(bucket.arn))
    for volume in list(ec2_backends[ACCOUNT][region].volumes.values()):
        arn = f"arn:aws:ec2:{region}:{ACCOUNT}:volume/{volume.id}"
        yield Resource(arn, "EBS", {tag["key"]: tag["value"] for tag in volume.get_tags()})


def points(vault: Vault) -> list[dict[str, Any]]:
    """The recovery points of a vault, which the caller may change."""
    kept: list[dict[str, Any]] = vars(vault).setdefault("points", [])
    return kept


def _back_up(
    world: World, region: str, rule: Mapping[str, Any], selection: Mapping[str, Any], at: datetime.datetime
) -> None:
    """Make a recovery point of each selected resource, and its copies; without its vault a job fails."""
    vault = backup_backends[ACCOUNT][region].vaults.get(rule["TargetBackupVaultName"])
    if vault is None:
        return
    for resource in selected(region, selection):
        _add(vault, resource, selection["IamRoleArn"], rule.get("Lifecycle"), at)
        for copy in rule.get("CopyActions") or ():
            there = copy["DestinationBackupVaultArn"].split(":")
            other = backup_backends[ACCOUNT][there[3]].vaults.get(there[6])
            if other is not None and not world.faults.unreachable(there[3]):
                _add(other, resource, selection["IamRoleArn"], copy.get("Lifecycle"), at)


def _add(
    vault: Vault, resource: Resource, role: str, lifecycle: Mapping[str, Any] | None, at: datetime.datetime
) -> None:
    if not _lock_allows(vault, lifecycle):
        return
    region = vault.backup_vault_arn.split(":")[3]
    points(vault).append(
        {
            "RecoveryPointArn": f"arn:aws:backup:{region}:{ACCOUNT}:recovery-point:{uuid4()}",
            "BackupVaultName": vault.backup_vault_name,
            "BackupVaultArn": vault.backup_vault_arn,
            "ResourceArn": resource.arn,
            "ResourceType": resource.type,
            "CreationDate": at,
            "Status": "COMPLETED",
            "IamRoleArn": role,
            **({"Lifecycle": dict(lifecycle)} if lifecycle else {}),
        }
    )


def _lock_allows(vault: Vault, lifecycle: Mapping[str, Any] | None) -> bool:
    """Whether a vault's lock accepts a retention; AWS fails other jobs (PutBackupVaultLockConfiguration)."""
    days = (lifecycle or {}).get("DeleteAfterDays")
    least, most = vault.min_retention_days, vault.max_retention_days
    if not vault.locked:
        return True
    return (days or float("inf")) >= (least or 0) and (days or float("inf")) <= (most or float("inf"))
