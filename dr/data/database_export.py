"""Exports of the newest snapshot of the database to the registry bucket of a region, in Apache Parquet.

RDS exports snapshots that were taken by hand, automatically and by AWS Backup, in the region of the snapshot and of the
bucket (Aurora user guide, "Exporting DB cluster snapshot data to Amazon S3"). A task restores the snapshot first, so it
takes long and loads no cluster. A repeated call finds the task of the first one: tasks are listed by their snapshot.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dr.clients import calls, client
from dr.control.contract import DatabaseRecord
from dr.data import global_database
from dr.data.global_database import Snapshot
from dr.data.model_sets import Report
from dr.data.regions import Place
from dr.errors import Failed, Problem, Refused
from dr.names import EXPORTS, REGISTRY

RUNNING = ("STARTING", "IN_PROGRESS")
COMPLETE = "COMPLETE"
POLL_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """An export task of RDS.

    Args:
        id: Its identifier.
        status: STARTING, IN_PROGRESS, CANCELING, CANCELED, COMPLETE or FAILED.
        percent: Progress in percent.
        cause: Why it failed; "" if it did not.
        ended: When it ended; None before.
    """

    id: str
    status: str
    percent: int = 0
    cause: str = ""
    ended: datetime | None = None


@dataclass(frozen=True)
class Export:
    """An export of a snapshot, planned, running or complete.

    Args:
        region: The region.
        snapshot: The snapshot.
        arn: ARN of the snapshot.
        bucket: The region's registry bucket.
        role: ARN of the role with which RDS writes to it.
        key: ARN of the region's KMS key, which encrypts the objects.
        next_id: Identifier of the task that would be started.
        task: The task that is followed; None: one is to be started.
        objects: Objects that a complete task has written.
        size: Their size in bytes.
    """

    region: str
    snapshot: Snapshot
    arn: str
    bucket: str
    role: str
    key: str
    next_id: str
    task: Task | None = None
    objects: int = 0
    size: int = 0

    @property
    def done(self) -> bool:
        """Whether the export is complete."""
        return self.task is not None and self.task.status == COMPLETE

    @property
    def folder(self) -> str:
        """Prefix of the exported objects."""
        return f"{EXPORTS}{self.task.id if self.task else self.next_id}/"


def plan(place: Place, home: DatabaseRecord | None, here: DatabaseRecord | None, prefix: str, again: bool) -> Export:
    """Find the newest snapshot of a region and the task that exports it; nothing is changed.

    Args:
        place: The region and its buckets.
        home: The primary region's part of the global database, with the role of exports; None without a database.
        here: The region's own part.
        prefix: Prefix of the deployment's names.
        again: Whether to export a snapshot that was exported before.

    Raises:
        Refused: The deployment has no database, or the region no snapshot of it.
        Unreachable: The region does not answer.
    """
    region = place.region
    if home is None or here is None or not home.export_role:
        remedy = "`pulumi config set dr:database aurora` in both stacks deploys one; then run `pulumi up`"
        fact = "the contract has no database with a role for exports"
        raise Refused(Problem(f"the database in {region}", fact, remedy))
    names = [each for each in dict.fromkeys((here.cluster, home.cluster)) if each]
    snapshot = newest(global_database.newest_snapshot(region, each) for each in names)
    if snapshot is None:
        fact = f"{region} has no snapshot of {' or '.join(names)}"
        remedy = "AWS Backup takes and copies one at the next time of the class databases (`dr check`)"
        if here.cluster:
            remedy += f"; `aws rds create-db-cluster-snapshot --region {region}` takes one at once"
        raise Refused(Problem(f"the database in {region}", fact, remedy))
    # The snapshot is of the account of the role.
    arn = f"arn:aws:rds:{region}:{home.export_role.split(':')[4]}:cluster-snapshot:{snapshot.identifier}"
    bucket = place.buckets[REGISTRY]
    tasks = _tasks(region, arn, bucket)
    found = Export(
        region,
        snapshot,
        arn,
        bucket,
        home.export_role,
        here.key,
        identifier(prefix, arn, len(tasks)),
        choose(tasks, again),
    )
    return _counted(found) if found.done else found


def newest(snapshots: Iterable[Snapshot | None]) -> Snapshot | None:
    """Return the newest snapshot; None without one. Pure."""
    return max((each for each in snapshots if each), key=lambda each: each.created, default=None)


def identifier(prefix: str, arn: str, number: int) -> str:
    """Return the identifier of a snapshot's next task. Pure.

    Two processes at the same time get the same one, and RDS starts one task.
    """
    return f"export-{prefix}-{hashlib.sha256(arn.encode()).hexdigest()[:12]}-{number}"


def choose(tasks: Sequence[Task], again: bool) -> Task | None:
    """Return the task to follow: one that runs, else one that is complete; None to start another. Pure."""
    running = next((each for each in tasks if each.status in RUNNING), None)
    complete = next((each for each in tasks if each.status == COMPLETE and not again), None)
    return running or complete


def execute(found: Export, report: Report) -> Export:
    """Start the task, if none is to be followed, and wait for its end.

    Raises:
        Failed: RDS refused the call, the task failed, or it wrote nothing.
        Unreachable: The region does not answer; the same command continues.
    """
    if found.done:
        return found
    task = found.task or _start(found)
    while task.status in RUNNING:
        report(f"export {task.id}: {task.status}, {task.percent} %", task.percent / 100)
        task = _read(found.region, task.id)
        if task.status in RUNNING:
            time.sleep(POLL_SECONDS)
    if task.status != COMPLETE:
        fact = f"{task.status}: {task.cause or 'no reason was given'}"
        raise Failed(Problem(f"export task {task.id}", fact, "fix the reason; the same command starts another task"))
    counted = _counted(replace(found, task=task))
    if not counted.objects:
        fact = f"is complete, and s3://{found.bucket}/{counted.folder} has no object"
        raise Failed(Problem(f"export task {task.id}", fact, "--again exports the snapshot once more"))
    return counted


def _start(found: Export) -> Task:
    with calls(f"export task {found.next_id}", found.region):
        made = client("rds", found.region).start_export_task(
            ExportTaskIdentifier=found.next_id,
            SourceArn=found.arn,
            S3BucketName=found.bucket,
            S3Prefix=EXPORTS.rstrip("/"),
            IamRoleArn=found.role,
            KmsKeyId=found.key,
        )
    return _task(made)


def _read(region: str, name: str) -> Task:
    with calls(f"export task {name}", region):
        (found,) = client("rds", region).describe_export_tasks(ExportTaskIdentifier=name)["ExportTasks"]
    return _task(found)


def _tasks(region: str, arn: str, bucket: str) -> list[Task]:
    """Return the tasks that export a snapshot to a bucket."""
    with calls(f"export tasks of {arn}", region):
        pages = client("rds", region).get_paginator("describe_export_tasks").paginate(SourceArn=arn)
        listed = [each for page in pages for each in page["ExportTasks"]]
    return [_task(each) for each in listed if each["SourceArn"] == arn and each["S3Bucket"] == bucket]


def _task(found: Mapping[str, Any]) -> Task:
    return Task(
        found["ExportTaskIdentifier"],
        found["Status"],
        found.get("PercentProgress") or 0,
        found.get("FailureCause") or "",
        found.get("TaskEndTime"),
    )


def _counted(found: Export) -> Export:
    """Return an export with the number and the size of its objects."""
    with calls(f"s3://{found.bucket}/{found.folder}", found.region):
        pages = client("s3", found.region).get_paginator("list_objects_v2")
        listed = [
            each["Size"]
            for page in pages.paginate(Bucket=found.bucket, Prefix=found.folder)
            for each in page.get("Contents", ())
        ]
    return replace(found, objects=len(listed), size=sum(listed))
