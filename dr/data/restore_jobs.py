"""Restore jobs of AWS Backup: start one once, follow it to its end, and delete what it restored.

AWS Backup starts one job for all calls with the same token (API reference, StartRestoreJob, `IdempotencyToken`), so a
request that is repeated after a kill finds the job that the first one started.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dr.clients import Missing, calls, client
from dr.data.recovery_points import CLUSTERS, OBJECTS, Point, name_of
from dr.errors import Failed, Problem
from dr.topology.databases import ENGINE

RUNNING = ("PENDING", "RUNNING")
POLL_SECONDS = 1.0
REPORT_SECONDS = 15.0


@dataclass(frozen=True)
class Request:
    """A request for a job.

    Args:
        region: Region of the recovery point, in which it is restored.
        point: ARN of the recovery point.
        kind: AWS Backup's name of the resource type.
        role: ARN of the role that restores.
        token: Calls with the same token start one job.
        metadata: Restore metadata.
        tags: Whether the tags of the backed up resource are copied.
    """

    region: str
    point: str
    kind: str
    role: str
    token: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: bool = False


@dataclass(frozen=True)
class Job:
    """A job.

    Args:
        id: Its ID.
        status: PENDING, RUNNING, COMPLETED, ABORTED or FAILED.
        message: Why it failed.
        created: ARN of what it restored; "" before.
        started: When it started.
        ended: When it ended; None before.
    """

    id: str
    status: str
    message: str
    created: str
    started: datetime
    ended: datetime | None

    @property
    def name(self) -> str:
        """Name of what it restored: a bucket, a cluster, or the ID of a volume."""
        return name_of(self.created)


def volume_request(point: Point, zone: str, token: str, role: str = "", tags: bool = True) -> Request:
    """Return the request for a volume. Pure.

    The stored metadata of a copy name a zone and a key of the other region, so none of them is used. A volume of an
    encrypted snapshot has the snapshot's key, which is the vault's (EC2 API reference, CreateVolume, `KmsKeyId`).

    Args:
        point: The recovery point.
        zone: The volume's zone.
        token: Calls with the same token start one job.
        role: ARN of the role that restores; "" for that of the backup job.
        tags: Whether the tags of the backed up volume are copied.
    """
    metadata = {"availabilityZone": zone, "encrypted": "true", "volumeType": "gp3"}
    return Request(point.region, point.arn, point.kind, role or point.role, token, metadata, tags)


def bucket_request(point: Point, bucket: str, token: str) -> Request:
    """Return the request for a new bucket with the objects of a backup. Pure.

    Args:
        point: The recovery point.
        bucket: Name of the new bucket.
        token: Calls with the same token start one job.
    """
    # The objects' original KMS key is one of the other region.
    metadata = {"DestinationBucketName": bucket, "NewBucket": "true", "Encrypted": "true", "EncryptionType": "SSE-S3"}
    return Request(point.region, point.arn, point.kind, point.role, token, metadata)


def place(subnet_group: str, security_groups: Sequence[str]) -> dict[str, str]:
    """Return the metadata that name where a cluster is restored. Pure.

    Without them, AWS Backup restores to the default VPC, and fails where there is none (developer guide, "Restore
    testing inferred metadata").

    Args:
        subnet_group: Name of the DB subnet group.
        security_groups: IDs of the security groups.
    """
    return {"dbSubnetGroupName": subnet_group, "vpcSecurityGroupIds": json.dumps(list(security_groups))}


def cluster_request(point: Point, name: str, where: Mapping[str, str], token: str) -> Request:
    """Return the request for a database cluster, which gets no instance. Pure.

    It names no key: a cluster has that of its snapshot (RDS API reference, RestoreDBClusterFromSnapshot, `KmsKeyId`),
    which for a copy is its vault's.

    Args:
        point: The recovery point.
        name: Identifier of the new cluster.
        where: Metadata of `place`.
        token: Calls with the same token start one job.
    """
    metadata = {"DBClusterIdentifier": name, "Engine": ENGINE, **where}
    return Request(point.region, point.arn, point.kind, point.role, token, metadata)


def start(request: Request) -> str:
    """Start a job, and return its ID; that of the same job for the same token.

    Raises:
        Failed: AWS Backup refused the call.
        Unreachable: The region does not answer.
    """
    with calls(f"recovery point {request.point}", request.region):
        answer = client("backup", request.region).start_restore_job(
            RecoveryPointArn=request.point,
            IamRoleArn=request.role,
            ResourceType=request.kind,
            IdempotencyToken=request.token,
            Metadata=dict(request.metadata),
            CopySourceTagsToRestoredResource=request.tags,
        )
    return str(answer["RestoreJobId"])


def read(region: str, job: str) -> Job:
    """Return a job. Raises as `start`."""
    with calls(f"restore job {job}", region):
        found = client("backup", region).describe_restore_job(RestoreJobId=job)
    return _job(found)


def wait(region: str, job: str, say: Callable[[str], None]) -> Job:
    """Wait for the end of a job, and return it.

    Args:
        region: Its region.
        job: Its ID.
        say: Shows a line of progress.

    Raises:
        Failed: The job failed, or a call was refused.
        Unreachable: The region does not answer.
    """
    began = said = time.monotonic()
    while (found := read(region, job)).status in RUNNING:
        if time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            say(f"restore job {job}: {found.status} for {said - began:.0f} s")
        time.sleep(POLL_SECONDS)
    if found.status != "COMPLETED":
        fact = f"{found.status}: {found.message or 'no reason was given'}"
        command = f"`aws backup describe-restore-job --restore-job-id {job} --region {region}`"
        raise Failed(Problem(f"restore job {job}", fact, f"{command} shows it; fix the reason and run this again"))
    return found


def remove(region: str, kind: str, name: str) -> None:
    """Delete what a job restored; what does not exist any more is left out.

    Args:
        region: Its region.
        kind: AWS Backup's name of the resource type.
        name: Name of the bucket or cluster, or ID of the volume.

    Raises:
        Failed: A call was refused.
        Unreachable: The region does not answer.
    """
    try:
        with calls(f"{kind} {name}", region):
            if kind == OBJECTS:
                _remove_bucket(client("s3", region), name)
            elif kind == CLUSTERS:
                # Without a final snapshot: the copy that it was restored from is still there.
                client("rds", region).delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
            else:
                client("ec2", region).delete_volume(VolumeId=name)
    except Missing:
        return


def _remove_bucket(s3: Any, name: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if found:
            objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=name)


def _job(found: Mapping[str, Any]) -> Job:
    return Job(
        found["RestoreJobId"],
        found["Status"],
        found.get("StatusMessage", ""),
        found.get("CreatedResourceArn", ""),
        found["CreationDate"],
        found.get("CompletionDate"),
    )
