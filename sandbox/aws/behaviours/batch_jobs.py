"""S3 Batch Replication: jobs that replicate versions which a bucket already has, by its present configuration.

Sources: S3 user guide, "Replicating existing objects with Batch Replication", "Tracking job status and completion
reports", "Configuring an IAM role for S3 Batch Replication", "Amazon S3 replication failure reasons" and "Examples: S3
Batch Operations completion reports". Where the guide names a failure and not its form, a job fails while it prepares.

A job advances when S3 Control is called. Jobs are kept on moto's backend, so that a reset drops them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.s3.models import FakeBucket
from moto.s3control.models import s3control_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import replication, replication_rules
from sandbox.aws.behaviours.replication_access import may
from sandbox.aws.call import find_bucket
from sandbox.aws.world import World

SERVICE = "batchoperations.s3.amazonaws.com"
ENDED = frozenset({"Complete", "Failed", "Cancelled"})
FAILURE_TASKS, FAILURE_SHARE = 1000, 0.5
"""A job fails when more than half of at least 1,000 tasks failed (S3 user guide, "Tracking job failure")."""
SCHEMA = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"


@dataclass
class Task:
    """One version to replicate.

    Args:
        version: moto's version.
        rules: The rules that select it.
        error: Why it failed; "" if it did not.
        over: Whether it ended.
    """

    version: Any
    rules: list[dict[str, Any]]
    error: str = ""
    over: bool = False


@dataclass
class Job:
    """A job.

    Args:
        about: Its descriptor, as DescribeJob returns it.
        request: The parameters of CreateJob.
        trusted: Whether its role lets Batch Operations assume it.
        tasks: What it replicates.
    """

    about: dict[str, Any]
    request: dict[str, Any]
    trusted: bool
    tasks: list[Task] = field(default_factory=list)

    def fail(self, code: str, reason: str) -> None:
        """End the job as failed."""
        self._end("Failed")
        self.about["FailureReasons"] = [{"FailureCode": code, "FailureReason": reason}]

    def complete(self) -> None:
        """End the job; it fails if too many tasks failed."""
        failed = sum(bool(each.error) for each in self.tasks)
        if len(self.tasks) >= FAILURE_TASKS and failed > FAILURE_SHARE * len(self.tasks):
            self.fail("JobFailureRateExceeded", "Job failure rate is above 50%")
        else:
            self._end("Complete")

    def _end(self, status: str) -> None:
        self.about |= {"Status": status, "TerminationDate": clock.now()}


def jobs(region: str) -> dict[str, Job]:
    """The jobs of a region by ID, which the caller may change."""
    # moto's backend of S3 Control belongs to the partition.
    kept: dict[str, dict[str, Job]] = vars(s3control_backends[ACCOUNT][PARTITION]).setdefault("batch_jobs", {})
    return kept.setdefault(region, {})


def advance(world: World, region: str, replicator: replication.Replicator) -> None:
    """Take each job of a region to its next status: prepare and start new ones, end those without pending tasks."""
    for job in jobs(region).values():
        if job.about["Status"] == "New":
            _prepare(job)
        if job.about["Status"] == "Ready":
            _start(job, replicator)
        if job.about["Status"] == "Active":
            _settle(job)
            if all(each.over for each in job.tasks):
                job.complete()
                _write_report(world, job)


def _prepare(job: Job) -> None:
    """Generate the manifest, and check what the role may do for that."""
    role, generator = job.request["RoleArn"], job.request["ManifestGenerator"]["S3JobManifestGenerator"]
    bucket = find_bucket(generator["SourceBucket"].removeprefix(replication_rules.BUCKET_ARN))
    if not job.trusted:
        job.fail("AssumeRoleNotPermitted", f"Amazon S3 can't assume the IAM role {role}")
        return
    if bucket is None:
        job.fail("NoSuchBucket", "The source bucket does not exist")
        return
    for action in ("s3:GetReplicationConfiguration", "s3:PutInventoryConfiguration"):
        if not may(role, action, bucket.arn):
            job.fail("AccessDenied", f"{role} is not authorized to perform {action} on {bucket.arn}")
            return
    if not getattr(bucket, "replication", None):
        job.fail("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
        return
    with replication.WRITES:
        job.tasks = list(_selected(bucket, generator.get("Filter", {})))
    if not job.tasks:
        job.fail("ManifestGenerationFailed", "Manifest generation found no keys matching the filter criteria.")
        return
    # CreateJob of the CLI without --no-confirmation-required waits for UpdateJobStatus ("Updating the job status").
    job.about["Status"] = "Suspended" if job.request.get("ConfirmationRequired") else "Ready"


def _selected(bucket: FakeBucket, filters: dict[str, Any]) -> Iterator[Task]:
    wanted = filters.get("ObjectReplicationStatuses")
    for key in list(bucket.keys.keys()):
        for version in bucket.keys.getlist(key, []):
            rules = replication.rules_for(bucket, version)
            status = getattr(version, "replication_status", "NONE")
            if rules and (not wanted or status in wanted):
                yield Task(version, rules)


def _start(job: Job, replicator: replication.Replicator) -> None:
    generator = job.request["ManifestGenerator"]["S3JobManifestGenerator"]
    bucket = find_bucket(generator["SourceBucket"].removeprefix(replication_rules.BUCKET_ARN))
    job.about["Status"] = "Active"
    with replication.WRITES:
        for task in job.tasks:
            if bucket is None:
                task.error, task.over = "SrcBucketNotFound", True
            elif not may(job.request["RoleArn"], "s3:InitiateReplication", f"{bucket.arn}/{task.version.name}"):
                task.error, task.over = "AccessDenied", True
            else:
                # Batch Replication does not replicate again what was deleted by its version ID at the destination
                # ("Considerations"). What the task then reports is not documented: here success, the worst case.
                task.rules = [rule for rule in task.rules if not replication.was_deleted(task.version, rule)]
                replicator.repeat(bucket, task.version, task.rules)


def _settle(job: Job) -> None:
    """Record the results of tasks that ended."""
    for task in job.tasks:
        if task.over:
            continue
        done = getattr(task.version, "replicas", {})
        found = {replication_rules.destination_of(rule): rule for rule in task.rules}
        status = {done.get(name, "PENDING") for name in found}
        if "PENDING" not in status:
            task.over = True
            task.error = next((_reason(name) for name in found if done.get(name) == "FAILED"), "")


def _reason(destination: str) -> str:
    """Why a version was not replicated ("Amazon S3 replication failure reasons")."""
    bucket = find_bucket(destination)
    if bucket is None:
        return "DstBucketNotFound"
    return "DstKmsKeyInvalidState" if bucket.is_versioned else "DstBucketUnversioned"


def summary(job: Job) -> dict[str, Any]:
    """Progress of a job."""
    over = [each for each in job.tasks if each.over]
    failed = sum(bool(each.error) for each in over)
    counts = {"NumberOfTasksSucceeded": len(over) - failed, "NumberOfTasksFailed": failed}
    return {"TotalNumberOfTasks": len(job.tasks), **counts}


def _write_report(world: World, job: Job) -> None:
    """Write the completion report: a manifest, and a list of tasks for each result."""
    report = job.request["Report"]
    if not report["Enabled"]:
        return
    role, bucket = job.request["RoleArn"], find_bucket(report["Bucket"].removeprefix(replication_rules.BUCKET_ARN))
    if bucket is None or not may(role, "s3:PutObject", f"{bucket.arn}/{report.get('Prefix', '')}/report"):
        job.fail("AccessDenied", f"{role} is not authorized to perform s3:PutObject on {report['Bucket']}")
        return
    s3 = world.client("s3", bucket.region_name)
    folder = "/".join(filter(None, (report.get("Prefix"), f"job-{job.about['JobId']}")))
    results = []
    for name, failed in (("succeeded", False), ("failed", True)):
        if failed or report["ReportScope"] == "AllTasks":
            rows = [each for each in job.tasks if bool(each.error) is failed]
            if rows:
                text = _rows(job, name, rows)
                key = f"{folder}/results/{hashlib.sha1(text, usedforsecurity=False).hexdigest()}.csv"
                s3.put_object(Bucket=bucket.name, Key=key, Body=text)
                checksum = hashlib.md5(text, usedforsecurity=False).hexdigest()
                where = {"Bucket": bucket.name, "MD5Checksum": checksum, "Key": key}
                results.append({"TaskExecutionStatus": name, **where})
    document = {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": clock.now().isoformat(),
        "Results": results,
        "ReportSchema": SCHEMA,
    }
    s3.put_object(Bucket=bucket.name, Key=f"{folder}/manifest.json", Body=json.dumps(document).encode())


def _rows(job: Job, name: str, tasks: list[Task]) -> bytes:
    generator = job.request["ManifestGenerator"]["S3JobManifestGenerator"]
    source = generator["SourceBucket"].removeprefix(replication_rules.BUCKET_ARN)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for each in tasks:
        status, result = ("400", "Permanent failure") if each.error else ("200", "Successful")
        writer.writerow([source, each.version.name, each.version.version_id, name, each.error, status, result])
    return text.getvalue().encode()
