"""S3 Control: jobs of S3 Batch Operations, as far as Batch Replication needs them (`behaviours/batch_jobs.py`)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours import batch_jobs
from sandbox.aws.behaviours.batch_jobs import ENDED, SERVICE, Job
from sandbox.aws.behaviours.replication_rules import BUCKET_ARN
from sandbox.aws.call import Call, NotEmulatedError, find_bucket
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts

FILTERS = frozenset({"EligibleForReplication", "ObjectReplicationStatuses"})
LISTED = ("JobId", "Description", "Priority", "Status", "CreationTime", "TerminationDate")


@answers("s3control", "CreateJob")
def create_job(call: Call, moto: Moto) -> dict[str, Any]:
    """Create a job; a token that was used before names the job that it created (API reference, "CreateJob")."""
    wanted = call.parameters
    kept = batch_jobs.jobs(call.region)
    for job in kept.values():
        if job.request["ClientRequestToken"] == wanted["ClientRequestToken"]:
            if job.request != wanted:
                raise AwsError("IdempotencyException", "The token was used for a job with other parameters", 400)
            return {"JobId": job.about["JobId"]}
    _refuse(call, wanted)
    id = str(uuid4())
    about: dict[str, Any] = {
        "JobId": id,
        "ConfirmationRequired": bool(wanted.get("ConfirmationRequired")),
        "JobArn": f"arn:aws:s3:{call.region}:{ACCOUNT}:job/{id}",
        "Status": "New",
        "CreationTime": clock.now(),
        **{name: wanted[name] for name in ("Description", "ManifestGenerator", "Priority", "Report") if name in wanted},
        "Operation": {"S3ReplicateObject": {}},
        "RoleArn": wanted["RoleArn"],
    }
    kept[id] = Job(about, wanted, bool(role_trusts(wanted["RoleArn"], SERVICE)))
    return {"JobId": id}


def _refuse(call: Call, wanted: dict[str, Any]) -> None:
    if set(wanted["Operation"]) != {"S3ReplicateObject"} or "ManifestGenerator" not in wanted:
        raise NotEmulatedError(call, " (only S3ReplicateObject with a manifest generator is)")
    generator = wanted["ManifestGenerator"]["S3JobManifestGenerator"]
    filters = generator.get("Filter", {})
    if generator["EnableManifestOutput"] or set(filters) - FILTERS or not filters.get("EligibleForReplication"):
        raise NotEmulatedError(call, f" (only filters {', '.join(sorted(FILTERS))}, without manifest output, are)")
    report = wanted["Report"]
    if report["Enabled"] and not {"Bucket", "Format", "ReportScope"} <= set(report):
        raise AwsError("InvalidRequest", "A report needs Bucket, Format and ReportScope", 400)
    source = find_bucket(generator["SourceBucket"].removeprefix(BUCKET_ARN))
    # A generated manifest must be in the region of the source bucket ("Specifying a manifest").
    if source is not None and source.region_name != call.region:
        raise AwsError("InvalidRequest", f"The source bucket is in {source.region_name}, not in {call.region}", 400)


@answers("s3control", "DescribeJob")
def describe_job(call: Call, moto: Moto) -> dict[str, Any]:
    job = _job(call)
    return {"Job": job.about | {"ProgressSummary": batch_jobs.summary(job)}}


@answers("s3control", "ListJobs")
def list_jobs(call: Call, moto: Moto) -> dict[str, Any]:
    """List jobs on one page, the newest first."""
    wanted = call.parameters.get("JobStatuses")
    found = [job for job in batch_jobs.jobs(call.region).values() if not wanted or job.about["Status"] in wanted]
    return {
        "Jobs": [
            {name: job.about[name] for name in LISTED if name in job.about}
            | {"Operation": "S3ReplicateObject", "ProgressSummary": batch_jobs.summary(job)}
            for job in reversed(found)
        ]
    }


@answers("s3control", "UpdateJobStatus")
def update_job_status(call: Call, moto: Moto) -> dict[str, Any]:
    """Confirm a suspended job, or cancel one that did not end."""
    job, status = _job(call), call.parameters["RequestedJobStatus"]
    confirms = status == "Ready" and job.about["Status"] == "Suspended"
    if not confirms and (status != "Cancelled" or job.about["Status"] in ENDED):
        raise AwsError("JobStatusException", f"The job is {job.about['Status']} and cannot become {status}", 400)
    job.about["Status"] = status
    return {"JobId": job.about["JobId"], "Status": status}


def _job(call: Call) -> Job:
    job = batch_jobs.jobs(call.region).get(call.parameters["JobId"])
    if job is None:
        raise AwsError("NoSuchJobException", "No such job", 404)
    return job
