"""Restore jobs of AWS Backup: a bucket, a volume or a cluster from a recovery point of the same region.

A job runs for `SECONDS`, from cold storage for `COLD`. Sources: AWS Backup developer guide, "Restore S3 data using AWS
Backup", "Restore an Amazon EBS volume", "Restore testing inferred metadata" (names of the metadata, which are not case
sensitive); EBS user guide, "Restore an archived Amazon EBS snapshot" (up to 72 hours). Messages of failed jobs are
those of the services that refuse; the others are not documented.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from moto.backup.models import backup_backends
from moto.iam.models import iam_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import cluster_restores, events, recovery_points
from sandbox.aws.behaviours.keys import lost, unusable
from sandbox.aws.behaviours.replication_access import may
from sandbox.aws.world import World

PENDING, RUNNING, COMPLETED, FAILED = "PENDING", "RUNNING", "COMPLETED", "FAILED"
SECONDS = datetime.timedelta(seconds=1)
COLD = datetime.timedelta(hours=72)
POLICIES = {
    "Aurora": ("AWSBackupServiceRolePolicyForRestores", "rds:RestoreDBClusterFromSnapshot", "*"),
    "EBS": ("AWSBackupServiceRolePolicyForRestores", "ec2:CreateVolume", "*"),
    "S3": ("AWSBackupServiceRolePolicyForS3Restore", "s3:PutObject", "arn:aws:s3:::*/*"),
}
"""The managed policy with which a role may restore a type, and an action and a resource that another policy allows."""
_LOCK = threading.RLock()


class NotRestoredError(Exception):
    """A job fails, with its status message."""


@dataclass
class Job:
    """A restore job.

    Args:
        about: What DescribeRestoreJob answers.
        metadata: Its restore metadata, by lower-case name.
        copy_tags: Whether tags in the backup are copied to what is restored.
        ends: When it ends, by the sandbox's clock.
        validation_hours: Hours for which what a restore test creates exists; None for another job.
    """

    about: dict[str, Any]
    metadata: Mapping[str, str]
    copy_tags: bool
    ends: datetime.datetime
    token: str = ""
    validation_hours: int | None = None
    deletes: datetime.datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)


def jobs(region: str) -> dict[str, Job]:
    """The restore jobs of a region by id."""
    found: dict[str, Job] = vars(backup_backends[ACCOUNT][region]).setdefault("restore_jobs", {})
    return found


def start(
    region: str,
    point: Mapping[str, Any],
    metadata: Mapping[str, str],
    role: str,
    copy_tags: bool = False,
    token: str = "",
    plan_arn: str = "",
    validation_hours: int | None = None,
) -> Job:
    """Start a job.

    Args:
        region: Region of the recovery point.
        point: The recovery point.
        metadata: Restore metadata.
        role: ARN of the role that restores.
        copy_tags: Whether tags in the backup are copied to what is restored.
        token: The idempotency token; "" for none.
        plan_arn: The restore testing plan that starts it; "" for none.
        validation_hours: Hours for which what that plan restores exists.
    """
    now = clock.now()
    about = {
        "AccountId": ACCOUNT,
        "RestoreJobId": str(uuid4()).upper(),
        "RecoveryPointArn": point["RecoveryPointArn"],
        "SourceResourceArn": point["ResourceArn"],
        "BackupVaultArn": point["BackupVaultArn"],
        "CreationDate": now,
        "Status": PENDING,
        "PercentDone": "0.00%",
        "BackupSizeInBytes": point["BackupSizeInBytes"],
        "IamRoleArn": role,
        "ResourceType": point["ResourceType"],
        "RecoveryPointCreationDate": point["CreationDate"],
        **({"CreatedBy": {"RestoreTestingPlanArn": plan_arn}} if plan_arn else {}),
    }
    cold = recovery_points.storage_class(point, now) == "COLD"
    lowered = {name.lower(): value for name, value in metadata.items()}
    job = Job(about, lowered, copy_tags, now + (COLD if cold else SECONDS), token, validation_hours)
    jobs(region)[about["RestoreJobId"]] = job
    return job


def progress(world: World, region: str) -> None:
    """Run the jobs of a region that are due to their end.

    Their events are delivered without the lock: a function that one invokes asks for the job.
    """
    ended = []
    with _LOCK:
        now = clock.now()
        for job in list(jobs(region).values()):
            if job.about["Status"] == PENDING and now > job.about["CreationDate"]:
                job.about["Status"] = RUNNING
            if job.about["Status"] == RUNNING and now >= job.ends:
                ended.append(_finish(world, region, job, now))
    for detail in ended:
        events.emit(world, region, "aws.backup", "Restore Job State Change", detail, now)


def _finish(world: World, region: str, job: Job, now: datetime.datetime) -> dict[str, Any]:
    """Run a job to its end, and return the detail of its event."""
    about = job.about
    try:
        about["CreatedResourceArn"] = _restore(world, region, job)
        about |= {"Status": COMPLETED, "PercentDone": "100.00%"}
        if job.validation_hours:
            about["ValidationStatus"] = "VALIDATING"
    except (NotRestoredError, ClientError) as error:
        about |= {"Status": FAILED, "StatusMessage": str(error)}
    about["CompletionDate"] = now
    detail = {name[0].lower() + name[1:]: value for name, value in about.items() if isinstance(value, str)}
    detail |= {name: about[name[0].upper() + name[1:]].isoformat() for name in ("creationDate", "completionDate")}
    if plan := about.get("CreatedBy"):
        detail["restoreTestingPlanArn"] = plan["RestoreTestingPlanArn"]
    return detail


def _restore(world: World, region: str, job: Job) -> str:
    """Create what a job restores, and return its ARN."""
    found = recovery_points.find(region, job.about["RecoveryPointArn"])
    if found is None:
        raise NotRestoredError(f"Recovery point {job.about['RecoveryPointArn']} does not exist")
    vault, point = found
    kind = point["ResourceType"]
    if kind not in POLICIES:
        raise NotRestoredError(f"the sandbox restores no recovery points of {kind}")
    _check_role(job.about["IamRoleArn"], kind)
    held = recovery_points.content(vault, point["RecoveryPointArn"])
    tags = {**(dict(held.tags) if job.copy_tags else {}), **job.tags}
    for key in (point.get("EncryptionKeyArn"), job.metadata.get("kmskeyid") or job.metadata.get("kmskey")):
        if key and (problem := lost(key, region)):
            raise NotRestoredError(f"{problem.code}: {problem.message}")
    if kind == "EBS":
        with recovery_points.readable_snapshot(vault, point) as snapshot:
            return _volume(world, region, snapshot, job.metadata, tags)
    if kind == recovery_points.AURORA:
        if reason := cluster_restores.refusal(world, region, job.metadata):
            raise NotRestoredError(reason)
        return cluster_restores.restore(world, region, point["RecoveryPointArn"], job.metadata, tags)
    return _bucket(world, region, held, job.metadata)


def _check_role(role: str, kind: str) -> None:
    policy, action, resource = POLICIES[kind]
    found = next((each for each in iam_backends[ACCOUNT][PARTITION].roles.values() if each.arn == role), None)
    attached = found.managed_policies if found else {}
    if not any(arn.endswith(f"/{policy}") for arn in attached) and not may(role, action, resource):
        raise NotRestoredError(f"Access Denied: {role} is not authorized to perform {action}")


def _volume(world: World, region: str, snapshot: str, metadata: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """Create a volume of a snapshot. EC2 refuses a zone of another region and a size below the snapshot's."""
    ec2, wanted = world.client("ec2", region), metadata
    zones = {each["ZoneName"] for each in ec2.describe_availability_zones()["AvailabilityZones"]}
    if (zone := wanted["availabilityzone"]) not in zones:
        raise NotRestoredError(f"InvalidZone.NotFound: The zone '{zone}' does not exist.")
    (source,) = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    size = int(wanted.get("volumesize", source["VolumeSize"]))
    if size < source["VolumeSize"]:
        raise NotRestoredError(f"InvalidParameterValue: {size} GiB is smaller than snapshot {snapshot}")
    key, encrypted = wanted.get("kmskeyid"), wanted.get("encrypted", "false").lower() == "true"
    if key and not encrypted and not source["Encrypted"]:
        raise NotRestoredError("InvalidParameterDependency: KmsKeyId requires Encrypted")
    numbers = {"Iops": wanted.get("iops"), "Throughput": wanted.get("throughput")}
    made = ec2.create_volume(
        AvailabilityZone=zone,
        SnapshotId=snapshot,
        Size=size,
        VolumeType=wanted.get("volumetype", "gp2"),
        Encrypted=encrypted or source["Encrypted"],
        # A volume of an encrypted snapshot has its key, unless another one is named (EC2 API reference, CreateVolume).
        **({"KmsKeyId": key or source.get("KmsKeyId")} if key or source.get("KmsKeyId") else {}),
        **{name: int(value) for name, value in numbers.items() if value},
    )
    if tags:
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        ec2.create_tags(Resources=[made["VolumeId"]], Tags=pairs)
    return f"arn:aws:ec2:{region}:{ACCOUNT}:volume/{made['VolumeId']}"


def _bucket(world: World, region: str, held: recovery_points.Content, metadata: Mapping[str, str]) -> str:
    """Write the objects of a backup to a new bucket, or to one of the region that exists."""
    s3, name = world.client("s3", region), metadata["destinationbucketname"]
    if metadata.get("newbucket", "false").lower() == "true":
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **place)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    elif (s3.head_bucket(Bucket=name)["BucketRegion"]) != region:
        raise NotRestoredError(f"Bucket {name} is not in {region}")
    mode, key = metadata.get("encryptiontype", "original"), metadata.get("kmskey")
    for item in held.items:
        s3.put_object(
            Bucket=name,
            Key=item.key,
            Body=item.value,
            Metadata=dict(item.metadata),
            **({"ContentType": item.content_type} if item.content_type else {}),
            **_encryption(mode, key, item, region),
        )
    return f"arn:aws:s3:::{name}"


def _encryption(mode: str, key: str | None, item: recovery_points.Item, region: str) -> dict[str, str]:
    if mode == "SSE-S3":
        return {"ServerSideEncryption": "AES256"}
    if mode == "SSE-KMS":
        return {"ServerSideEncryption": "aws:kms", **({"SSEKMSKeyId": key} if key else {})}
    if item.encryption != "aws:kms":
        return {}
    # Restored with the original encryption; a KMS key is usable in its own region only.
    if item.kms_key and (problem := unusable(item.kms_key, region)):
        raise NotRestoredError(f"{problem.code}: {problem.message}")
    return {"ServerSideEncryption": "aws:kms", **({"SSEKMSKeyId": item.kms_key} if item.kms_key else {})}
