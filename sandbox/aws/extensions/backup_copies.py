"""AWS Backup: copy jobs on demand, and the list of all copy jobs.

Source: the API reference in botocore's service model. A job is over when the call answers, as those of plans are.
"""

from __future__ import annotations

from typing import Any

from moto.backup.models import backup_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours import backup_copies, recovery_points
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.backup import wrong
from sandbox.aws.extensions.iam import role_trusts

FILTERS = {
    "ByState": "State",
    "ByResourceType": "ResourceType",
    "ByResourceArn": "ResourceArn",
    "ByDestinationVaultArn": "DestinationBackupVaultArn",
    "BySourceRecoveryPointArn": "SourceRecoveryPointArn",
}
"""Parameters of ListCopyJobs, and the field that each is compared with."""


@answers("backup", "StartCopyJob")
def start_job(call: Call, moto: Moto) -> dict[str, Any]:
    """Copy a recovery point, unless a job has the same idempotency token."""
    wanted, region = call.parameters, call.region
    token = wanted.get("IdempotencyToken")
    for job in backup_copies.copy_jobs(region).values():
        if token and job.get("token") == token:
            return _started(job)
    vault = backup_backends[ACCOUNT][region].vaults.get(wanted["SourceBackupVaultName"])
    if vault is None:
        raise AwsError("ResourceNotFoundException", f"Backup vault {wanted['SourceBackupVaultName']} does not exist.")
    arn, role = wanted["RecoveryPointArn"], wanted["IamRoleArn"]
    if arn not in recovery_points.by_arn(vault):
        raise AwsError("ResourceNotFoundException", f"Cannot find recovery point {arn}")
    if not role_trusts(role, "backup.amazonaws.com"):
        raise wrong(f"IAM Role {role} cannot be assumed by AWS Backup")
    target = wanted["DestinationBackupVaultArn"]
    job = backup_copies.copy(call.world, vault, arn, target, role, wanted.get("Lifecycle"), clock.now())
    job["token"] = token
    return _started(job)


def _started(job: dict[str, Any]) -> dict[str, Any]:
    return {"CopyJobId": job["CopyJobId"], "CreationDate": job["CreationDate"], "IsParent": False}


@answers("backup", "DescribeCopyJob")
def describe_job(call: Call, moto: Moto) -> dict[str, Any]:
    job = backup_copies.copy_jobs(call.region).get(call.parameters["CopyJobId"])
    if job is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find job {call.parameters['CopyJobId']}")
    return {"CopyJob": job}


@answers("backup", "ListCopyJobs")
def list_jobs(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = {field: call.parameters[name] for name, field in FILTERS.items() if name in call.parameters}
    found = backup_copies.copy_jobs(call.region).values()
    return {"CopyJobs": [each for each in found if all(each[name] == value for name, value in wanted.items())]}
