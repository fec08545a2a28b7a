"""RDS: exports of cluster snapshots to S3, which write their description and no data.

Sources: API reference in botocore's service model; Aurora user guide, "Exporting DB cluster snapshot data to Amazon
S3" (the role trusts export.rds.amazonaws.com and may write to the bucket, which is in the snapshot's region).
"""

from __future__ import annotations

import json
from typing import Any

from moto.rds.models import rds_backends

from sandbox import timings
from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours.global_databases import Stopwatch
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.behaviours.replication_access import may
from sandbox.aws.call import Call, find_bucket
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts

SERVICE = "export.rds.amazonaws.com"
WRITES = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")


def _tasks(call: Call) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = vars(rds_backends[ACCOUNT][call.region]).setdefault("sandbox_exports", {})
    return kept


@answers("rds", "StartExportTask")
def start(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, backend = call.parameters, rds_backends[ACCOUNT][call.region]
    name, source = wanted["ExportTaskIdentifier"], wanted["SourceArn"]
    if name in _tasks(call):
        raise AwsError("ExportTaskAlreadyExists", f"Export task {name} already exists")
    snapshot = source.partition(":cluster-snapshot:")[2]
    if not snapshot or f":{call.region}:" not in source or snapshot not in backend.cluster_snapshots:
        raise AwsError("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {source} not found.")
    _check_role(wanted["IamRoleArn"])
    bucket = find_bucket(wanted["S3BucketName"])
    if bucket is None or bucket.region_name != call.region:
        text = f"The S3 bucket {wanted['S3BucketName']} doesn't exist in {call.region}"
        raise AwsError("InvalidS3BucketFault", text)
    if lacking := [each for each in WRITES if not may(wanted["IamRoleArn"], each, f"{bucket.arn}/*")]:
        text = f"The IAM role {wanted['IamRoleArn']} isn't authorized to call [{', '.join(lacking)}] on {bucket.arn}"
        raise AwsError("IamRoleMissingPermissions", text)
    if problem := unusable(wanted["KmsKeyId"], call.region):
        raise AwsError("KMSKeyNotAccessibleFault", f"The KMS key {wanted['KmsKeyId']}: {problem.message}")
    task = {
        "ExportTaskIdentifier": name,
        "SourceArn": source,
        "ExportOnly": wanted.get("ExportOnly", []),
        "SnapshotTime": backend.cluster_snapshots[snapshot].created,
        "TaskStartTime": clock.now(),
        "S3Bucket": wanted["S3BucketName"],
        "S3Prefix": wanted.get("S3Prefix", ""),
        "IamRoleArn": wanted["IamRoleArn"],
        "KmsKeyId": wanted["KmsKeyId"],
        "Status": "STARTING",
        "PercentProgress": 0,
        "SourceType": "CLUSTER",
    }
    _tasks(call)[name] = task | {"stopwatch": Stopwatch(timings.DATABASE_EXPORT.of(name))}
    return task


def _check_role(arn: str) -> None:
    trusts = role_trusts(arn, SERVICE)
    if trusts is None:
        raise AwsError("IamRoleNotFound", f"The IAM role {arn} doesn't exist.")
    if not trusts:
        raise AwsError("IamRoleMissingPermissions", f"The IAM role {arn} can't be assumed by {SERVICE}")


@answers("rds", "DescribeExportTasks")
def describe(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters.get("ExportTaskIdentifier")
    for task in _tasks(call).values():
        _advance(call, task)
    if wanted and wanted not in _tasks(call):
        raise AwsError("ExportTaskNotFound", f"Export task {wanted} not found")
    return {"ExportTasks": [_shown(task) for name, task in _tasks(call).items() if wanted in (None, name)]}


@answers("rds", "CancelExportTask")
def cancel(call: Call, moto: Moto) -> dict[str, Any]:
    task = _tasks(call).get(call.parameters["ExportTaskIdentifier"])
    if task is None:
        raise AwsError("ExportTaskNotFound", f"Export task {call.parameters['ExportTaskIdentifier']} not found")
    _advance(call, task)
    if task["Status"] not in ("STARTING", "IN_PROGRESS"):
        raise AwsError("InvalidExportTaskStateFault", f"The export task is {task['Status']}")
    task["Status"] = "CANCELED"
    return _shown(task)


def _shown(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name != "stopwatch"}


def _advance(call: Call, task: dict[str, Any]) -> None:
    """Take a task to its next status; its end writes the description of the export."""
    if task["Status"] == "STARTING":
        task["Status"] = "IN_PROGRESS"
    if task["Status"] != "IN_PROGRESS" or not task["stopwatch"].over:
        return
    task |= {"Status": "COMPLETE", "PercentProgress": 100, "TaskEndTime": clock.now()}
    name = task["ExportTaskIdentifier"]
    folder = "/".join(part for part in (task["S3Prefix"], name) if part)
    about = {"exportTaskIdentifier": name, "sourceArn": task["SourceArn"], "status": "COMPLETE", "percentProgress": 100}
    call.world.client("s3", call.region).put_object(
        Bucket=task["S3Bucket"],
        Key=f"{folder}/export_info_{name}.json",
        Body=json.dumps(about).encode(),
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=task["KmsKeyId"],
    )
