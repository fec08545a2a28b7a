"""Restore testing plans of AWS Backup: they start restore jobs on their schedule, and delete what was restored.

Source: AWS Backup developer guide, "Restore testing": which recovery points a plan selects; names and the tag of what
is restored; deletion once the validation completes or its window closes; a bucket gets a lifecycle rule, and is deleted
about a day later. Jobs start at the scheduled time; AWS spreads them over the start window.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from moto.backup.models import backup_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import cluster_restores, recovery_points, restores
from sandbox.aws.behaviours.backups import RESTORE_TEST, is_due
from sandbox.aws.behaviours.restores import Job
from sandbox.aws.world import World

BUCKET_KEPT = datetime.timedelta(days=1)
VALIDATED = ("SUCCESSFUL", "FAILED", "TIMED_OUT")
Plan = dict[str, Any]


def plans(region: str) -> dict[str, Plan]:
    """The restore testing plans of a region by name, which the caller may change."""
    found: dict[str, Plan] = vars(backup_backends[ACCOUNT][region]).setdefault("restore_testing", {})
    return found


def run(world: World, minute: datetime.datetime) -> None:
    """Start the jobs of the plans that are due in a minute."""
    for region in list(backup_backends[ACCOUNT]):
        if world.faults.unreachable(region):
            continue
        for plan in list(plans(region).values()):
            if is_due(plan["about"].get("ScheduleExpression", ""), minute):
                for selection in list(plan["selections"].values()):
                    _start(region, plan["about"], selection, minute)


def follow(world: World, now: datetime.datetime) -> None:
    """Go on with restore jobs, and delete what restore tests have restored."""
    for region in list(backup_backends[ACCOUNT]):
        if not world.faults.unreachable(region):
            restores.progress(world, region)
            for job in list(restores.jobs(region).values()):
                if job.validation_hours is not None and job.about["Status"] == restores.COMPLETED:
                    _clean_up(world, region, job, now)


def _start(region: str, plan: Mapping[str, Any], selection: Mapping[str, Any], minute: datetime.datetime) -> None:
    for point in _selected(region, plan["RecoveryPointSelection"], selection, minute):
        overrides = {name.lower(): value for name, value in selection["RestoreMetadataOverrides"].items()}
        inferred = {name.lower(): value for name, value in infer(region, point).items()}
        hours = int(selection["ValidationWindowHours"])
        arn = plan["RestoreTestingPlanArn"]
        job = restores.start(
            region, point, inferred | overrides, selection["IamRoleArn"], plan_arn=arn, validation_hours=hours
        )
        # The value of the tag is not documented.
        job.tags = {RESTORE_TEST: job.about["RestoreJobId"]}


def infer(region: str, point: Mapping[str, Any]) -> dict[str, str]:
    """The metadata with which a restore test restores a recovery point ("Restore testing inferred metadata")."""
    if point["ResourceType"] == "EBS":
        zone = random.choice(["a", "b", "c"])  # noqa: S311 - no secret
        return {"availabilityZone": f"{region}{zone}", "encrypted": "true"}
    if point["ResourceType"] == recovery_points.AURORA:
        # The subnet group of the source is one of another region: without an override, that of the default VPC is used.
        found = recovery_points.find(region, point["RecoveryPointArn"])
        origin = recovery_points.content(found[0], point["RecoveryPointArn"]).origin if found else {}
        named = {"DBClusterIdentifier": f"{RESTORE_TEST}-{uuid4()}"}
        return {**named, **{name: origin[name] for name in ("Engine", "EngineVersion") if name in origin}}
    if point["ResourceType"] != "S3":
        return {}
    return {
        **{"destinationBucketName": f"{RESTORE_TEST}-{uuid4()}", "newBucket": "true"},
        **{"encrypted": "true", "encryptionType": "SSE-S3"},
    }


def _selected(
    region: str, wanted: Mapping[str, Any], selection: Mapping[str, Any], minute: datetime.datetime
) -> Iterator[dict[str, Any]]:
    """One recovery point of each protected resource, of the vaults and the days that a plan names."""
    since = minute - datetime.timedelta(days=wanted["SelectionWindowDays"])
    included, excluded = wanted["IncludeVaults"], wanted["ExcludeVaults"]
    by_resource: dict[str, list[tuple[Any, dict[str, Any]]]] = {}
    for vault in list(backup_backends[ACCOUNT][region].vaults.values()):
        arn = vault.backup_vault_arn
        if arn in excluded or not (arn in included or "*" in included):
            continue
        for point in recovery_points.points(vault):
            if point["ResourceType"] == selection["ProtectedResourceType"] and point["CreationDate"] >= since:
                by_resource.setdefault(point["ResourceArn"], []).append((vault, point))
    for arn, found in by_resource.items():
        newest = max(found, key=lambda each: each[1]["CreationDate"])
        if not _covers(selection, arn, recovery_points.content(newest[0], newest[1]["RecoveryPointArn"]).tags):
            continue
        latest = wanted["Algorithm"].startswith("LATEST")
        yield (newest if latest else random.choice(found))[1]  # noqa: S311 - no secret


def _covers(selection: Mapping[str, Any], arn: str, tags: Mapping[str, str]) -> bool:
    """Whether a selection covers a resource, by the tags of its newest recovery point."""
    arns = selection.get("ProtectedResourceArns")
    if arns and not ("*" in arns or arn in arns):
        return False
    for operator, tests in (selection.get("ProtectedResourceConditions") or {}).items():
        for test in tests:
            same = tags.get(test["Key"].removeprefix("aws:ResourceTag/")) == test["Value"]
            if same is (operator == "StringNotEquals"):
                return False
    return True


def _clean_up(world: World, region: str, job: Job, now: datetime.datetime) -> None:
    about, hours = job.about, job.validation_hours or 0
    closed = now >= about["CompletionDate"] + datetime.timedelta(hours=hours)
    if about.get("ValidationStatus") == "VALIDATING" and closed:
        about["ValidationStatus"] = "TIMED_OUT"
    if "DeletionStatus" not in about and (closed or about.get("ValidationStatus") in VALIDATED):
        about["DeletionStatus"] = "DELETING"
        job.deletes = now + (BUCKET_KEPT if about["ResourceType"] == "S3" else datetime.timedelta())
        if about["ResourceType"] == "S3":
            _expire(world, region, about["CreatedResourceArn"].rpartition(":")[2])
    if about.get("DeletionStatus") == "DELETING" and job.deletes and now >= job.deletes:
        about |= _deleted(world, region, job)


def _deleted(world: World, region: str, job: Job) -> dict[str, str]:
    """Delete what a test has restored; a volume without the tag of restore tests is kept."""
    arn = job.about["CreatedResourceArn"]
    if job.about["ResourceType"] == "EBS":
        ec2, volume = world.client("ec2", region), arn.rpartition("/")[2]
        found = ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume]}])["Volumes"]
        if found and RESTORE_TEST not in {tag["Key"] for tag in found[0].get("Tags", ())}:
            return {"DeletionStatus": "FAILED", "DeletionStatusMessage": f"{volume} has no tag {RESTORE_TEST}"}
        if found:
            ec2.delete_volume(VolumeId=volume)
    elif job.about["ResourceType"] == recovery_points.AURORA:
        cluster_restores.delete(world, region, arn)
    else:
        s3, name = world.client("s3", region), arn.rpartition(":")[2]
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])
        s3.delete_bucket(Bucket=name)
    return {"DeletionStatus": "SUCCESSFUL"}


def _expire(world: World, region: str, name: str) -> None:
    rule = {"ID": RESTORE_TEST, "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    s3 = world.client("s3", region)
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
