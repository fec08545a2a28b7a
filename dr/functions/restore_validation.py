"""Validates what a restore test of AWS Backup restored, and reports the result to AWS Backup.

EventBridge invokes it when a restore test has completed. Objects are compared with the replica of their bucket, by
hashes up to `MOST` bytes and by size beyond; a volume with its recovery point; of a database cluster, what RDS says is
checked. The result is final (a second one is refused), so a restore that could not be measured gets none: the function
fails, Lambda repeats it twice, and then sends the event to the dead-letter queue. Events are delivered at least once; a
repeated one finds the result and ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dr import environment
from dr.clients import calls, client
from dr.data import global_database, recovery_points, restored, restored_cluster, volumes
from dr.data.recovery_points import CLUSTERS, OBJECTS, VOLUMES, Point
from dr.errors import Failed, Problem
from dr.functions.first_run import is_first_run

SETTINGS = ("AWS_REGION", "PRIMARY_REGION", "REPLICAS", "TOPIC_ARN")
MOST = 512 << 20
"""Bytes of objects that a validation hashes: as many as it can read twice well within the function's time limit."""
SUCCESSFUL, FAILED, VALIDATING = "SUCCESSFUL", "FAILED", "VALIDATING"
LONGEST = 1000
"""Characters of the result's text."""


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Validate the restore test of an event, and return the result.

    Raises:
        Failed: It could not be validated.
        Unreachable: The region does not answer.
    """
    settings = environment.read(*SETTINGS)
    if is_first_run(event):
        return {}
    region, job = settings["AWS_REGION"], str(event["detail"]["restoreJobId"])
    with calls(f"restore job {job}", region):
        found = client("backup", region).describe_restore_job(RestoreJobId=job)
    if found.get("ValidationStatus") != VALIDATING:
        return {"status": str(found.get("ValidationStatus", "none")), "message": "validated before, or not at all"}
    status, text = validate(found, settings)
    with calls(f"validation of restore job {job}", region):
        client("backup", region).put_restore_validation_result(
            RestoreJobId=job, ValidationStatus=status, ValidationStatusMessage=text[:LONGEST]
        )
    if status == FAILED:
        notify(settings, job, found, text)
    return {"status": status, "message": text}


def validate(job: Mapping[str, Any], settings: Mapping[str, str]) -> tuple[str, str]:
    """Compare what a job restored with its source, and return the status and a text.

    Args:
        job: The job, as AWS Backup describes it.
        settings: Environment variables of the function.

    Raises:
        Failed: It could not be compared.
    """
    region, vault = settings["AWS_REGION"], job["BackupVaultArn"].rpartition(":")[2]
    point = recovery_points.describe(region, vault, job["RecoveryPointArn"])
    name = job["CreatedResourceArn"].replace("/", ":").rpartition(":")[2]
    if point.kind == OBJECTS:
        return _objects(point, name, settings)
    if point.kind == VOLUMES:
        volume = restored.read_volume(region, name)
        faults = restored.volume_faults(volume, point.arn.rpartition("/")[2], point.size, {})
        faults += [] if volumes.TEST_TAG in volume.tags else [f"it has no tag {volumes.TEST_TAG}"]
        text = f"{volume.gib} GiB, encrypted, {volume.state}, of {volume.snapshot}"
        return (FAILED, "; ".join(faults)) if faults else (SUCCESSFUL, text)
    if point.kind == CLUSTERS:
        cluster = global_database.read_cluster(region, name)
        wrong = restored_cluster.faults(cluster)
        return (SUCCESSFUL, restored_cluster.describe(cluster)) if cluster and not wrong else (FAILED, "; ".join(wrong))
    # AWS Backup could restore it; its content is not compared.
    return SUCCESSFUL, f"AWS Backup restored {name}; its content was not compared"


def _objects(point: Point, name: str, settings: Mapping[str, str]) -> tuple[str, str]:
    replicas: dict[str, str] = json.loads(settings["REPLICAS"])
    replica = replicas.get(point.name)
    if replica is None:
        return SUCCESSFUL, f"AWS Backup restored {name}; {point.name} has no replica to compare it with"
    found = restored.compare_objects(point, name, replica, settings["PRIMARY_REGION"], MOST)
    if found.faults:
        return FAILED, found.text
    if found.undecided:
        fact = f"{found.undecided} keys cannot be judged while {settings['PRIMARY_REGION']} does not answer"
        raise Failed(Problem(f"bucket {name}", fact, "the event is repeated"))
    return SUCCESSFUL, found.text


def notify(settings: Mapping[str, str], job: str, found: Mapping[str, Any], text: str) -> None:
    """Publish a failed validation to the alert topic."""
    region = settings["AWS_REGION"]
    message = (
        f"Restore test {job} in {region}: the copy of {found['SourceResourceArn']} was restored as "
        f"{found['CreatedResourceArn']}, and differs. {text} "
        f"`aws backup describe-restore-job --restore-job-id {job} --region {region}` shows it."
    )
    with calls(settings["TOPIC_ARN"], region):
        client("sns", region).publish(
            TopicArn=settings["TOPIC_ARN"], Subject="A restore test found a difference", Message=message
        )
