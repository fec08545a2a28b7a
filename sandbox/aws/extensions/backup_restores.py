"""AWS Backup: restore jobs, what a recovery point is restored with, and results of validations.

Source: the API reference in botocore's service model; developer guide, "Restore an Amazon EBS volume", "Restore S3 data
using AWS Backup", "Restoring an Amazon Aurora cluster" and "Restore testing validation". Messages are not documented.
"""

from __future__ import annotations

from typing import Any

from sandbox.aws import clock
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours import recovery_points, restore_tests, restores
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.backup import wrong
from sandbox.aws.extensions.iam import role_trusts

REQUIRED = {
    "Aurora": ("DBClusterIdentifier", "Engine"),
    "EBS": ("availabilityZone",),
    "S3": ("DestinationBucketName",),
}
"""Metadata without which a type is not restored; for Aurora, what RDS requires."""
ENCRYPTIONS = ("original", "SSE-S3", "SSE-KMS")


@answers("backup", "StartRestoreJob")
def start_job(call: Call, moto: Moto) -> dict[str, Any]:
    """Start a job, unless one has the same idempotency token."""
    wanted, arn = call.parameters, call.parameters["RecoveryPointArn"]
    token, role = wanted.get("IdempotencyToken", ""), wanted.get("IamRoleArn", "")
    for job in restores.jobs(call.region).values():
        if token and job.token == token:
            return {"RestoreJobId": job.about["RestoreJobId"]}
    _, point = _found(call, arn)
    if not role:
        raise AwsError("MissingParameterValueException", "IamRoleArn is required")
    if not role_trusts(role, "backup.amazonaws.com"):
        raise wrong(f"IAM Role {role} cannot be assumed by AWS Backup")
    kind, metadata = point["ResourceType"], wanted["Metadata"]
    if wanted.get("ResourceType", kind) != kind:
        raise wrong(f"Resource type {wanted['ResourceType']} does not match the recovery point: {kind}")
    names = {name.lower(): value for name, value in metadata.items()}
    if kind not in REQUIRED:
        raise wrong(f"The sandbox restores no recovery points of {kind}")
    if lacking := [name for name in REQUIRED[kind] if not names.get(name.lower())]:
        raise wrong(f"Restore metadata lacks {', '.join(lacking)}")
    if kind == "S3" and names.get("encryptiontype", "original") not in ENCRYPTIONS:
        raise wrong(f"Invalid EncryptionType {names['encryptiontype']}: one of {', '.join(ENCRYPTIONS)}")
    if kind == "S3" and names.get("encryptiontype") == "SSE-KMS" and not names.get("kmskey"):
        raise wrong("EncryptionType SSE-KMS requires KMSKey")
    copy_tags = bool(wanted.get("CopySourceTagsToRestoredResource"))
    job = restores.start(call.region, point, metadata, role, copy_tags, token)
    return {"RestoreJobId": job.about["RestoreJobId"]}


@answers("backup", "DescribeRestoreJob")
def describe_job(call: Call, moto: Moto) -> dict[str, Any]:
    return _job(call).about


@answers("backup", "GetRestoreJobMetadata")
def job_metadata(call: Call, moto: Moto) -> dict[str, Any]:
    job = _job(call)
    return {"RestoreJobId": job.about["RestoreJobId"], "Metadata": dict(job.metadata)}


@answers("backup", "ListRestoreJobs")
def list_jobs(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters
    plan = wanted.get("ByRestoreTestingPlanArn")
    return {
        "RestoreJobs": [
            each
            for each in _jobs(call)
            if wanted.get("ByStatus") in (None, each["Status"])
            and wanted.get("ByResourceType") in (None, each["ResourceType"])
            and plan in (None, each.get("CreatedBy", {}).get("RestoreTestingPlanArn"))
        ]
    }


@answers("backup", "ListRestoreJobsByProtectedResource")
def list_jobs_of_resource(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters["ResourceArn"]
    return {"RestoreJobs": [each for each in _jobs(call) if each["SourceResourceArn"] == wanted]}


@answers("backup", "PutRestoreValidationResult")
def put_validation(call: Call, moto: Moto) -> dict[str, Any]:
    """Keep the result of a validation, of a completed restore test only."""
    job, wanted = _job(call), call.parameters
    about = job.about
    if "CreatedBy" not in about:
        raise AwsError("InvalidRequestException", f"Restore job {about['RestoreJobId']} is not of a restore test")
    if about["Status"] != restores.COMPLETED or about.get("ValidationStatus") != "VALIDATING":
        state = about.get("ValidationStatus", about["Status"])
        raise AwsError("InvalidRequestException", f"Restore job {about['RestoreJobId']} cannot be validated: {state}")
    about["ValidationStatus"] = wanted["ValidationStatus"]
    if text := wanted.get("ValidationStatusMessage"):
        about["ValidationStatusMessage"] = text
    return {}


@answers("backup", "DescribeRecoveryPoint")
def describe_point(call: Call, moto: Moto) -> dict[str, Any]:
    _, point = _found(call, call.parameters["RecoveryPointArn"], call.parameters["BackupVaultName"])
    return recovery_points.shown(point, clock.now())


@answers("backup", "GetRecoveryPointRestoreMetadata")
def point_metadata(call: Call, moto: Moto) -> dict[str, Any]:
    vault, point = _found(call, call.parameters["RecoveryPointArn"], call.parameters["BackupVaultName"])
    origin = recovery_points.content(vault, point["RecoveryPointArn"]).origin
    about = {name: point[name] for name in ("BackupVaultArn", "RecoveryPointArn", "ResourceType")}
    return {**about, "RestoreMetadata": dict(origin)}


@answers("backup", "GetRestoreTestingInferredMetadata")
def inferred(call: Call, moto: Moto) -> dict[str, Any]:
    _, point = _found(call, call.parameters["RecoveryPointArn"], call.parameters["BackupVaultName"])
    return {"InferredMetadata": restore_tests.infer(call.region, point)}


def _found(call: Call, arn: str, vault_name: str | None = None) -> tuple[Any, dict[str, Any]]:
    found = recovery_points.find(call.region, arn)
    if found is None or vault_name not in (None, found[0].backup_vault_name):
        raise AwsError("ResourceNotFoundException", f"Cannot find recovery point {arn}")
    return found


def _jobs(call: Call) -> list[dict[str, Any]]:
    restores.progress(call.world, call.region)
    return [job.about for job in restores.jobs(call.region).values()]


def _job(call: Call) -> restores.Job:
    restores.progress(call.world, call.region)
    job = restores.jobs(call.region).get(call.parameters["RestoreJobId"])
    if job is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find restore job {call.parameters['RestoreJobId']}")
    return job
