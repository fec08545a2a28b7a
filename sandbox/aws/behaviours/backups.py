"""AWS Backup's jobs: recovery points of buckets, EBS volumes and Aurora clusters, by schedules, and their copies.

A job completes at once. Sources: AWS Backup developer guide, "Assign resources with AWS CLI" (which resources a
selection covers, and when opt-in settings apply), "Service opt-in" and "How AWS Backup works with supported AWS
services" (Aurora is backed up only where it is opted in to).
"""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from moto.backup.models import backup_backends
from moto.ec2.models import ec2_backends
from moto.s3.models import s3_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import air_gapped, backup_copies, cluster_snapshots, events, recovery_points
from sandbox.aws.behaviours.backup_copies import FAILED, refusal
from sandbox.aws.behaviours.recovery_points import AURORA, COMPLETED, EBS, Resource
from sandbox.aws.world import World

DEFAULT_OPT_IN = {
    **dict.fromkeys(("DynamoDB", "EBS", "EC2", "EFS", "FSx", "RDS"), True),
    **dict.fromkeys(("Aurora", "DocumentDB", "Neptune", "Redshift", "S3"), False),
}
"""Opt-in settings of a region at first. On AWS they depend on when the account first used AWS Backup there; the sandbox
has the less favourable case."""

RESTORE_TEST = "awsbackup-restore-test"
"""Tag and prefix of what restore tests create; plans ignore it (developer guide, "Restore testing")."""
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_first, _opt_in = dict(DEFAULT_OPT_IN), dict[str, dict[str, bool]]()


def opt_in(region: str) -> dict[str, bool]:
    """The opt-in settings of a region, which the caller may change."""
    return _opt_in.setdefault(region, dict(_first))


def opted_in_at_first(*types: str) -> None:
    """Let every region opt in to types at first, as if its account had first used AWS Backup when they existed."""
    _first.update(dict.fromkeys(types, True))


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
    """Whether a cron expression starts in a minute: hours of each day, of a day of the month, or of a weekday."""
    parts = schedule.removeprefix("cron(").removesuffix(")").split()
    if len(parts) != 6 or not parts[0].isdigit():
        return False
    on_day = parts[2] in ("*", "?", str(minute.day)) and parts[4] in ("*", "?", WEEKDAYS[minute.weekday()])
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

    Types that `Resources` names are covered whatever the opt-in settings are, except Aurora; then `Conditions` filter
    them, and `NotResources` exclude some. `ListOfTags` alone, and `*`, cover the types that the region opted in to.
    """
    named, tags = selection.get("Resources") or [], selection.get("ListOfTags") or []
    settings = opt_in(region)
    found = []
    for each in resources(region):
        by_type = any(arn != "*" and fnmatch.fnmatchcase(each.arn, arn) for arn in named)
        by_tag = any(each.tags.get(tag["ConditionKey"]) == tag["ConditionValue"] for tag in tags)
        anything = "*" in named or not (named or tags)
        if not settings.get(each.type) and (each.type == AURORA or not by_type):
            continue
        if not (by_type or by_tag or anything):
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
    """The buckets, volumes and Aurora clusters of a region, without those of restore tests."""
    s3 = s3_backends[ACCOUNT][PARTITION]
    for bucket in list(s3.buckets.values()):
        if bucket.region_name == region and not bucket.name.startswith(RESTORE_TEST):
            yield Resource(bucket.arn, "S3", s3.tagger.get_tag_dict_for_resource(bucket.arn))
    for volume in list(ec2_backends[ACCOUNT][region].volumes.values()):
        tags = {tag["key"]: tag["value"] for tag in volume.get_tags()}
        if RESTORE_TEST not in tags:
            yield Resource(f"arn:aws:ec2:{region}:{ACCOUNT}:volume/{volume.id}", EBS, tags)
    for cluster in cluster_snapshots.clusters(region):
        tags = {tag["Key"]: tag["Value"] for tag in cluster.tags or ()}
        if RESTORE_TEST not in tags:
            yield Resource(cluster.db_cluster_arn, AURORA, tags)


def _back_up(
    world: World, region: str, rule: Mapping[str, Any], selection: Mapping[str, Any], at: datetime.datetime
) -> None:
    """Run a job for each selected resource, and its copies."""
    for resource in selected(region, selection):
        role, lifecycle = selection["IamRoleArn"], rule.get("Lifecycle")
        job = start(world, region, rule["TargetBackupVaultName"], resource, role, lifecycle, at)
        if job["State"] != COMPLETED:
            continue
        vault = backup_backends[ACCOUNT][region].vaults[job["BackupVaultName"]]
        for action in rule.get("CopyActions") or ():
            target = action["DestinationBackupVaultArn"]
            backup_copies.copy(world, vault, job["RecoveryPointArn"], target, role, action.get("Lifecycle"), at)


def start(
    world: World,
    region: str,
    vault_name: str,
    resource: Resource,
    role: str,
    lifecycle: Mapping[str, Any] | None,
    at: datetime.datetime,
) -> dict[str, Any]:
    """Run a backup job to its end, and return it as DescribeBackupJob does. It fails without its vault."""
    vault = backup_backends[ACCOUNT][region].vaults.get(vault_name)
    reason = refusal(vault, vault_name, lifecycle)
    if vault is not None and air_gapped.is_air_gapped(vault):
        reason = f"Backup vault {vault_name} is logically air-gapped: it only receives copies."
    if resource.type == AURORA:
        reason = reason or cluster_snapshots.refusal(resource.arn)
    job: dict[str, Any] = {
        "BackupJobId": str(uuid4()).upper(),
        "BackupVaultName": vault_name,
        "BackupVaultArn": f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{vault_name}",
        "ResourceArn": resource.arn,
        "ResourceType": resource.type,
        "IamRoleArn": role,
        "CreationDate": at,
        "CompletionDate": at,
        "State": FAILED if reason else COMPLETED,
        **({"StatusMessage": reason} if reason else {}),
    }
    if vault is not None and not reason:
        job["RecoveryPointArn"] = recovery_points.add(vault, resource, role, lifecycle, at)
    jobs(region)[job["BackupJobId"]] = job
    detail = {name[0].lower() + name[1:]: value for name, value in job.items() if isinstance(value, str)}
    events.emit(world, region, "aws.backup", "Backup Job State Change", detail, at)
    return job


def jobs(region: str) -> dict[str, dict[str, Any]]:
    """The backup jobs of a region by id, which the caller may change."""
    found: dict[str, dict[str, Any]] = vars(backup_backends[ACCOUNT][region]).setdefault("backup_jobs", {})
    return found
