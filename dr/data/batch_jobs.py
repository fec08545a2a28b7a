"""Jobs of S3 Batch Replication: start one, find one that runs, follow it, and read its completion report."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from dr.clients import Missing, calls, client, read_object
from dr.data.model_sets import Report
from dr.errors import Problem
from dr.names import BACKFILL_REPORTS, backfill_role_name

ENDED = frozenset({"Complete", "Failed", "Cancelled"})
FIRST_SECONDS, LONGEST_SECONDS = 0.2, 10.0
"""Pauses between two looks at a job: at first, and at most."""
PROBLEMS = 20
"""Failed tasks that are kept; the others are counted."""
PRIORITY = 10


@dataclass(frozen=True)
class Wanted:
    """The job that copies from one bucket to its replica.

    Args:
        account: The AWS account.
        prefix: Prefix of names of the deployment.
        region: Region of the source, and of the job.
        bucket: The source.
        target_region: Region of the bucket that is filled.
        target: The bucket that is filled.
        reports: Bucket of completion reports, in the region of the source.
    """

    account: str
    prefix: str
    region: str
    bucket: str
    target_region: str
    target: str
    reports: str

    @property
    def description(self) -> str:
        """Description by which a job is found again."""
        return f"dr backfill: {self.bucket} to {self.target}"

    @property
    def role(self) -> str:
        """ARN of the job's role."""
        return f"arn:aws:iam::{self.account}:role/{backfill_role_name(self.prefix)}"


@dataclass(frozen=True)
class Ended:
    """A job that ended.

    Args:
        id: Its ID.
        status: Its status: Complete, Failed or Cancelled.
        succeeded: Number of versions that it replicated.
        failed: Number of versions that it could not replicate.
        problems: Why it failed, and the first failed versions.
    """

    id: str
    status: str
    succeeded: int
    failed: int
    problems: tuple[Problem, ...]


def running(wanted: Wanted) -> str:
    """Return the ID of the job that runs already; empty if none does."""
    return next((each["JobId"] for each in _jobs(wanted) if each["Status"] not in ENDED), "")


def _jobs(wanted: Wanted) -> list[dict[str, Any]]:
    """List the jobs of this source and target. S3 keeps a job for 90 days after its end."""
    found, page = list[dict[str, Any]](), dict[str, str]()
    while True:
        # botocore has no paginator of this operation.
        with calls(f"S3 Batch Operations in {wanted.region}", wanted.region):
            listed = client("s3control", wanted.region).list_jobs(AccountId=wanted.account, **page)
        found += [each for each in listed.get("Jobs", ()) if each.get("Description") == wanted.description]
        if not listed.get("NextToken"):
            return found
        page = {"NextToken": listed["NextToken"]}


def start(wanted: Wanted, statuses: Sequence[str]) -> str:
    """Start the job and return its ID.

    The token is the same until a further job of this source and target exists, so that two operators start one job.

    Args:
        wanted: The job.
        statuses: Replication statuses of the versions to copy.

    Raises:
        Failed: S3 refused it: the caller needs s3:CreateJob, and iam:PassRole on the role.
    """
    before = sorted(each["JobId"] for each in _jobs(wanted))
    token = str(uuid5(NAMESPACE_URL, " ".join([wanted.description, *statuses, *before])))
    generator = {
        "ExpectedBucketOwner": wanted.account,
        "SourceBucket": f"arn:aws:s3:::{wanted.bucket}",
        "EnableManifestOutput": False,
        "Filter": {"EligibleForReplication": True, "ObjectReplicationStatuses": list(statuses)},
    }
    with calls(wanted.description, wanted.region):
        made = client("s3control", wanted.region).create_job(
            AccountId=wanted.account,
            ConfirmationRequired=False,
            Operation={"S3ReplicateObject": {}},
            Report={
                "Bucket": f"arn:aws:s3:::{wanted.reports}",
                "Prefix": BACKFILL_REPORTS.rstrip("/"),
                "Format": "Report_CSV_20180820",
                "Enabled": True,
                "ReportScope": "FailedTasksOnly",
            },
            ClientRequestToken=token,
            Description=wanted.description,
            Priority=PRIORITY,
            RoleArn=wanted.role,
            ManifestGenerator={"S3JobManifestGenerator": generator},
        )
    return str(made["JobId"])


def follow(wanted: Wanted, id: str, report: Report) -> Ended:
    """Wait for the end of a job. An interrupted wait leaves the job running.

    Raises:
        Unreachable: The region does not answer.
    """
    pause = FIRST_SECONDS
    while True:
        with calls(f"job {id}", wanted.region):
            job = client("s3control", wanted.region).describe_job(AccountId=wanted.account, JobId=id)["Job"]
        counts = job.get("ProgressSummary") or {}
        total = counts.get("TotalNumberOfTasks") or 0
        succeeded, failed = counts.get("NumberOfTasksSucceeded") or 0, counts.get("NumberOfTasksFailed") or 0
        if job["Status"] in ENDED:
            return Ended(id, job["Status"], succeeded, failed, tuple(_problems(wanted, job, failed)))
        text = f"job {id} is {job['Status']}, {succeeded + failed:,} of {total:,} object versions"
        report(text, (succeeded + failed) / total if total else None)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_SECONDS)


def _problems(wanted: Wanted, job: dict[str, Any], failed: int) -> list[Problem]:
    id = job["JobId"]
    found = [
        Problem(f"job {id}", f"{each['FailureCode']}: {each['FailureReason']}", _remedy(wanted, each["FailureCode"]))
        for each in job.get("FailureReasons") or ()
    ]
    if job["Status"] == "Cancelled":
        found.append(Problem(f"job {id}", "it was cancelled", "repeat the command to start another job"))
    return found + _failed_tasks(wanted, id) if failed else found


def _remedy(wanted: Wanted, code: str) -> str:
    if code in ("AssumeRoleNotPermitted", "AccessDenied"):
        return f"run `pulumi up -s primary`, which creates {wanted.role} and its policy, then repeat the command"
    return "run `pulumi up -s primary`, which configures replication, then repeat the command"


def _failed_tasks(wanted: Wanted, id: str) -> list[Problem]:
    """Read the first failed tasks of the completion report ("Examples: S3 Batch Operations completion reports")."""
    folder = f"{BACKFILL_REPORTS}job-{id}"
    try:
        manifest = json.loads(read_object(wanted.region, wanted.reports, f"{folder}/manifest.json"))
    except Missing:
        remedy = f"look at job {id} in S3 Batch Operations"
        return [Problem(f"job {id}", "object versions failed, and it has no completion report", remedy)]
    names = [each.strip() for each in manifest["ReportSchema"].split(",")]
    found = list[Problem]()
    for each in manifest["Results"]:
        if each["TaskExecutionStatus"] == "failed":
            text = read_object(wanted.region, each["Bucket"], each["Key"]).decode()
            for row in csv.reader(io.StringIO(text)):
                task = dict(zip(names, row, strict=False))
                remedy = f'see {task["ErrorCode"]} in "Amazon S3 replication failure reasons", then repeat the command'
                fact = f"version {task['VersionId']} was not replicated: {task['ErrorCode']} ({task['ResultMessage']})"
                found.append(Problem(f"s3://{task['Bucket']}/{task['Key']}", fact, remedy))
                if len(found) >= PROBLEMS:
                    return found
    return found
