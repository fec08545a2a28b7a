"""The function that validates restore tests, against the emulator: a good test, and each broken thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from moto.rds.models import rds_backends

from dr.data import restore_jobs
from dr.errors import Failed
from dr.functions import first_run, restore_validation
from sandbox.aws.faults import parse
from tests.integration.restores.test_backup_restore import foreign, missing, other_bytes
from tests.support.copied import Copied
from tests.support.sets import PRIMARY, RECOVERY, bucket

TOPIC = f"arn:aws:sns:{RECOVERY}:123456789012:alerts"
SIDES = {bucket(PRIMARY, "models"): bucket(RECOVERY, "models")}
SETTINGS = {
    **{"AWS_REGION": RECOVERY, "PRIMARY_REGION": PRIMARY, "TOPIC_ARN": TOPIC},
    "REPLICAS": json.dumps(SIDES),
}


@pytest.fixture(autouse=True)
def settings(place: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    sns = place.aws.client("sns", RECOVERY)
    sns.create_topic(Name="alerts")
    sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="oncall@example.com")


def restore_test(place: Copied) -> dict[str, dict[str, Any]]:
    """Let a restore test of all copies run, and return its jobs by type."""
    backup = place.aws.client("backup", RECOVERY)
    points = {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"], "RecoveryPointTypes": ["SNAPSHOT"]}
    name = {"RestoreTestingPlanName": "copies"}
    document = {**name, "RecoveryPointSelection": points, "ScheduleExpression": "cron(30 * * * ? *)"}
    backup.create_restore_testing_plan(RestoreTestingPlan=document)
    where = restore_jobs.place(place.away.subnet_group, place.away.security_groups)
    for kind, overrides in (("S3", {}), ("EBS", {}), ("Aurora", where)):
        selection = {
            "RestoreMetadataOverrides": overrides,
            **{"RestoreTestingSelectionName": kind.lower(), "ProtectedResourceType": kind},
            **{"ProtectedResourceArns": ["*"], "IamRoleArn": place.role, "ValidationWindowHours": 4},
        }
        backup.create_restore_testing_selection(**name, RestoreTestingSelection=selection)
    place.back_up()
    return {each["ResourceType"]: each for each in backup.list_restore_jobs()["RestoreJobs"]}


def event(job: dict[str, Any]) -> dict[str, Any]:
    return {"detail": {"restoreJobId": job["RestoreJobId"], "status": "COMPLETED"}}


def validated(place: Copied, job: dict[str, Any]) -> tuple[str, str]:
    restore_validation.handler(event(job), None)
    found = place.aws.client("backup", RECOVERY).describe_restore_job(RestoreJobId=job["RestoreJobId"])
    return found["ValidationStatus"], found["ValidationStatusMessage"]


def messages(place: Copied) -> list[str]:
    return [each["message"] for each in place.aws.emulator.world.messages.since(0)["messages"]]


def test_restored_objects_volume_and_cluster_are_validated_once(place: Copied) -> None:
    jobs = restore_test(place)

    assert validated(place, jobs["S3"]) == ("SUCCESSFUL", "5 objects, 45 bytes, 5 with equal hashes")
    status, text = validated(place, jobs["EBS"])
    assert (status, text.startswith("20 GiB, encrypted, available, of snap-")) == ("SUCCESSFUL", True)
    text = "Aurora PostgreSQL 17.7, encrypted, available; its rows were not read"
    assert validated(place, jobs["Aurora"]) == ("SUCCESSFUL", text)
    assert restore_validation.handler(event(jobs["S3"]), None)["status"] == "SUCCESSFUL", "a repeated event"
    assert messages(place) == []


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (other_bytes, "set/4 has other bytes"),
        (missing, "set/0 is missing"),
        (foreign, "foreign was not in ml-dr-123456789012-us-east-1-models at that time"),
    ],
)
def test_a_difference_is_the_result_and_is_notified(
    place: Copied, break_it: Callable[[Copied], None], fault: str
) -> None:
    backup = place.aws.client("backup", RECOVERY)
    break_it(place)
    # The copy of the hour before is the only one: the next one would be whole again.
    for plan in place.aws.client("backup", PRIMARY).list_backup_plans()["BackupPlansList"]:
        selections = place.aws.client("backup", PRIMARY).list_backup_selections(BackupPlanId=plan["BackupPlanId"])
        for each in selections["BackupSelectionsList"]:
            wanted = {"BackupPlanId": plan["BackupPlanId"], "SelectionId": each["SelectionId"]}
            place.aws.client("backup", PRIMARY).delete_backup_selection(**wanted)
    job = restore_test(place)["S3"]
    status, text = validated(place, job)

    assert (status, fault in text) == ("FAILED", True)
    (message,) = messages(place)
    assert fault in message
    assert job["RestoreJobId"] in message
    assert backup.describe_restore_job(RestoreJobId=job["RestoreJobId"])["Status"] == "COMPLETED"


def test_a_volume_without_the_tag_of_its_test_is_a_failed_validation(place: Copied) -> None:
    job = restore_test(place)["EBS"]
    volume = job["CreatedResourceArn"].rpartition("/")[2]
    place.aws.client("ec2", RECOVERY).delete_tags(Resources=[volume], Tags=[{"Key": "awsbackup-restore-test"}])

    assert validated(place, job) == ("FAILED", "it has no tag awsbackup-restore-test")


def test_a_cluster_without_encryption_is_a_failed_validation(place: Copied) -> None:
    job = restore_test(place)["Aurora"]
    made = rds_backends["123456789012"][RECOVERY].clusters[job["CreatedResourceArn"].rpartition(":")[2]]
    made.storage_encrypted = False

    assert validated(place, job) == ("FAILED", "it is not encrypted")


def test_keys_that_only_the_lost_primary_region_can_judge_are_no_result(place: Copied) -> None:
    missing(place)
    job = restore_test(place)["S3"]
    place.aws.emulator.faults.add(parse({"kind": "region", "region": PRIMARY, "unreachable": True}))
    newest = place.aws.client("backup", RECOVERY).describe_restore_job(RestoreJobId=job["RestoreJobId"])
    assert newest["ValidationStatus"] == "VALIDATING"
    place.regions.s3[RECOVERY].delete_object(Bucket=job["CreatedResourceArn"].rpartition(":")[2], Key="set/2")
    with pytest.raises(Failed, match="cannot be judged while us-east-1 does not answer"):
        restore_validation.handler(event(job), None)

    found = place.aws.client("backup", RECOVERY).describe_restore_job(RestoreJobId=job["RestoreJobId"])
    assert found["ValidationStatus"] == "VALIDATING"


def test_first_run_calls_no_service(place: Copied) -> None:
    assert restore_validation.handler({first_run.NAME: True}, None) == {}
