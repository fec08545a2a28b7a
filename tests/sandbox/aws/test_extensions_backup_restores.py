"""Restore jobs and restore tests of AWS Backup in the emulator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import make_role, refusal
from tests.support.buckets import PRIMARY, RECOVERY
from tests.support.waiting import wait_for

POLICIES = (
    "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
    "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
)
BODY = b"weights" * 1000


@dataclass
class Place:
    """A bucket and a volume of the primary region, with copies in the recovery region."""

    aws: Running
    role: str
    key: str
    points: dict[str, dict[str, Any]]

    @property
    def backup(self) -> Any:
        return self.aws.client("backup", RECOVERY)

    def start(self, kind: str, metadata: dict[str, str], **more: Any) -> str:
        arn = self.points[kind]["RecoveryPointArn"]
        wanted = {"RecoveryPointArn": arn, "IamRoleArn": self.role, "Metadata": metadata, **more}
        return str(self.backup.start_restore_job(**wanted)["RestoreJobId"])

    def ended(self, job: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            return dict(self.backup.describe_restore_job(RestoreJobId=job))

        wait_for(lambda: look()["Status"] in ("COMPLETED", "FAILED"), interval_seconds=0.2)
        return look()


@pytest.fixture
def place(aws: Running, control: Callable[..., Any]) -> Place:
    return copied(aws, control)


def copied(aws: Running, control: Callable[..., Any]) -> Place:
    """Back up a bucket and a volume, copy both, and return the copies."""
    role, key = make_role(aws, "restores", "backup.amazonaws.com"), {}
    for policy in POLICIES:
        aws.client("iam", PRIMARY).attach_role_policy(RoleName="restores", PolicyArn=policy)
    for region in (PRIMARY, RECOVERY):
        key[region] = aws.client("kms", region).create_key()["KeyMetadata"]["Arn"]
        aws.client("backup", region).create_backup_vault(BackupVaultName="data", EncryptionKeyArn=key[region])
    s3, ec2, here = aws.client("s3", PRIMARY), aws.client("ec2", PRIMARY), aws.client("backup", PRIMARY)
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a/weights", Body=BODY, Metadata={"set": "1"})
    tags = {"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "enabled"}]}
    wanted = {"AvailabilityZone": f"{PRIMARY}a", "Size": 20, "VolumeType": "gp3", "TagSpecifications": [tags]}
    volume = ec2.create_volume(**wanted, Encrypted=True, KmsKeyId=key[PRIMARY])["VolumeId"]
    there = f"arn:aws:backup:{RECOVERY}:123456789012:backup-vault:data"
    rule = {
        **{"RuleName": "daily", "TargetBackupVaultName": "data", "ScheduleExpression": "cron(0 * * * ? *)"},
        "CopyActions": [{"DestinationBackupVaultArn": there}],
    }
    plan = here.create_backup_plan(BackupPlan={"BackupPlanName": "all", "Rules": [rule]})["BackupPlanId"]
    arns = ["arn:aws:s3:::models", f"arn:aws:ec2:{PRIMARY}:123456789012:volume/{volume}"]
    selection = {"SelectionName": "all", "IamRoleArn": role, "Resources": arns}
    here.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    control("POST", "clock", {"advance": 3600})
    s3.delete_object(Bucket="models", Key="a/weights")
    found = aws.client("backup", RECOVERY).list_recovery_points_by_backup_vault(BackupVaultName="data")
    return Place(aws, role, key[RECOVERY], {each["ResourceType"]: each for each in found["RecoveryPoints"]})


def test_objects_are_restored_to_a_new_bucket_with_equal_bytes(place: Place) -> None:
    metadata = {"DestinationBucketName": "restored", "NewBucket": "true", "EncryptionType": "SSE-S3"}
    job = place.ended(place.start("S3", metadata))

    assert (job["Status"], job["CreatedResourceArn"]) == ("COMPLETED", "arn:aws:s3:::restored")
    found = place.aws.client("s3", RECOVERY).get_object(Bucket="restored", Key="a/weights")
    assert hashlib.sha256(found["Body"].read()).digest() == hashlib.sha256(BODY).digest()
    assert (found["Metadata"], found["ServerSideEncryption"]) == ({"set": "1"}, "AES256")
    of_models = place.backup.list_restore_jobs_by_protected_resource(ResourceArn="arn:aws:s3:::models")
    assert [each["RestoreJobId"] for each in of_models["RestoreJobs"]] == [job["RestoreJobId"]]


def test_a_volume_is_restored_from_a_copied_snapshot_with_the_key_of_the_copy(place: Place) -> None:
    point = place.points["EBS"]
    assert point["RecoveryPointArn"].startswith(f"arn:aws:ec2:{RECOVERY}::snapshot/snap-")
    wanted = {"availabilityZone": f"{RECOVERY}b", "volumeType": "gp3"}
    job = place.ended(place.start("EBS", wanted, CopySourceTagsToRestoredResource=True))

    volume = job["CreatedResourceArn"].rpartition("/")[2]
    (made,) = place.aws.client("ec2", RECOVERY).describe_volumes(VolumeIds=[volume])["Volumes"]
    assert (made["Size"], made["State"], made["AvailabilityZone"]) == (20, "available", f"{RECOVERY}b")
    assert (made["Encrypted"], made["KmsKeyId"]) == (True, place.key)
    assert made["SnapshotId"] == point["RecoveryPointArn"].rpartition("/")[2]
    assert made["Tags"] == [{"Key": "backup", "Value": "enabled"}]


def test_a_job_runs_before_it_completes_and_the_same_token_starts_no_second_one(place: Place) -> None:
    metadata = {"availabilityZone": f"{RECOVERY}a"}
    job = place.start("EBS", metadata, IdempotencyToken="once")
    assert place.backup.describe_restore_job(RestoreJobId=job)["Status"] in ("PENDING", "RUNNING")
    place.ended(job)

    assert place.start("EBS", metadata, IdempotencyToken="once") == job
    assert len(place.aws.client("ec2", RECOVERY).describe_volumes()["Volumes"]) == 1


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("EBS", {"volumeType": "gp3"}),
        ("S3", {"NewBucket": "true"}),
        ("S3", {"DestinationBucketName": "restored", "EncryptionType": "aws:kms"}),
        ("S3", {"DestinationBucketName": "restored", "EncryptionType": "SSE-KMS"}),
    ],
    ids=["zone", "bucket", "encryption", "key"],
)
def test_missing_and_wrong_metadata_are_refused(place: Place, kind: str, metadata: dict[str, str]) -> None:
    assert refusal(lambda: place.start(kind, metadata))[0] == "InvalidParameterValueException"


def test_a_role_that_aws_backup_cannot_assume_is_refused(place: Place) -> None:
    place.role = make_role(place.aws, "other", "ec2.amazonaws.com")
    code, message = refusal(lambda: place.start("EBS", {"availabilityZone": f"{RECOVERY}a"}))
    assert (code, "cannot be assumed" in message) == ("InvalidParameterValueException", True)


@pytest.mark.parametrize(
    ("cause", "message"),
    [("zone", "InvalidZone.NotFound"), ("size", "smaller than snapshot"), ("role", "not authorized"), ("key", "disab")],
)
def test_a_job_that_the_services_refuse_fails_with_their_message(place: Place, cause: str, message: str) -> None:
    metadata = {"availabilityZone": f"{RECOVERY}a"}
    if cause == "zone":
        metadata = {"availabilityZone": f"{PRIMARY}a"}
    if cause == "size":
        metadata |= {"volumeSize": "10"}
    if cause == "role":
        place.role = make_role(place.aws, "powerless", "backup.amazonaws.com")
    if cause == "key":
        place.aws.client("kms", RECOVERY).disable_key(KeyId=place.key)
    job = place.ended(place.start("EBS", metadata))

    assert job["Status"] == "FAILED"
    assert message in job["StatusMessage"]
    assert place.aws.client("ec2", RECOVERY).describe_volumes()["Volumes"] == []


def test_a_bucket_with_the_original_key_of_the_other_region_is_not_restored(
    aws: Running, control: Callable[..., Any]
) -> None:
    place = copied(aws, control)
    s3, key = aws.client("s3", PRIMARY), aws.client("kms", PRIMARY).create_key()["KeyMetadata"]["Arn"]
    s3.put_object(Bucket="models", Key="b", Body=b"b", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    control("POST", "clock", {"advance": 3600})
    found = place.backup.list_recovery_points_by_backup_vault(BackupVaultName="data", ByResourceType="S3")
    place.points["S3"] = max(found["RecoveryPoints"], key=lambda each: each["CreationDate"])
    wanted = {"DestinationBucketName": "restored", "NewBucket": "true"}
    assert place.ended(place.start("S3", wanted))["Status"] == "FAILED"

    with_key = wanted | {"DestinationBucketName": "other", "EncryptionType": "SSE-KMS", "KMSKey": place.key}
    assert place.ended(place.start("S3", with_key))["Status"] == "COMPLETED"
    assert aws.client("s3", RECOVERY).head_object(Bucket="other", Key="b")["SSEKMSKeyId"] == place.key


def test_a_point_in_cold_storage_is_shown_as_such_and_takes_days_to_restore(
    place: Place, control: Callable[..., Any]
) -> None:
    arn = place.points["EBS"]["RecoveryPointArn"]
    of = {"BackupVaultName": "data", "RecoveryPointArn": arn}
    cold = {"MoveToColdStorageAfterDays": 1, "OptInToArchiveForSupportedResources": True, "DeleteAfterDays": 91}
    place.backup.update_recovery_point_lifecycle(**of, Lifecycle=cold)
    assert place.backup.describe_recovery_point(**of)["StorageClass"] == "WARM"
    control("POST", "clock", {"advance": 86_400})
    assert place.backup.describe_recovery_point(**of)["StorageClass"] == "COLD"

    job = place.start("EBS", {"availabilityZone": f"{RECOVERY}a"})
    control("POST", "clock", {"advance": 3600})
    assert place.backup.describe_restore_job(RestoreJobId=job)["Status"] == "RUNNING"


def test_metadata_of_a_copy_name_the_zone_of_the_other_region(place: Place) -> None:
    of = {"BackupVaultName": "data", "RecoveryPointArn": place.points["EBS"]["RecoveryPointArn"]}
    stored = place.backup.get_recovery_point_restore_metadata(**of)["RestoreMetadata"]
    inferred = place.backup.get_restore_testing_inferred_metadata(**of)["InferredMetadata"]

    assert (stored["availabilityZone"], stored["volumeSize"]) == (f"{PRIMARY}a", "20")
    assert inferred["availabilityZone"].startswith(RECOVERY)


# Restore tests ---------------------------------------------------------------------------------------------------


def make_plan(place: Place, hours: int) -> str:
    """Test the newest copies every hour, and return the plan's ARN."""
    points = {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"], "RecoveryPointTypes": ["SNAPSHOT"]}
    name = {"RestoreTestingPlanName": "copies"}
    document = {**name, "RecoveryPointSelection": points, "ScheduleExpression": "cron(30 * * * ? *)"}
    made = place.backup.create_restore_testing_plan(RestoreTestingPlan=document)
    for kind in ("S3", "EBS"):
        selection = {
            **{"RestoreTestingSelectionName": kind.lower(), "ProtectedResourceType": kind},
            **{"ProtectedResourceArns": ["*"], "IamRoleArn": place.role, "ValidationWindowHours": hours},
        }
        place.backup.create_restore_testing_selection(**name, RestoreTestingSelection=selection)
    return str(made["RestoreTestingPlanArn"])


def results_of(place: Place, plan: str) -> dict[str, dict[str, Any]]:
    listed = place.backup.list_restore_jobs(ByRestoreTestingPlanArn=plan)["RestoreJobs"]
    return {each["ResourceType"]: each for each in listed}


def test_a_restore_test_runs_on_its_schedule_and_deletes_what_it_restored_after_the_window(
    place: Place, control: Callable[..., Any]
) -> None:
    plan = make_plan(place, hours=1)
    control("POST", "clock", {"advance": 3600})
    jobs = results_of(place, plan)
    assert {(kind, each["Status"], each["ValidationStatus"]) for kind, each in jobs.items()} == {
        ("S3", "COMPLETED", "VALIDATING"),
        ("EBS", "COMPLETED", "VALIDATING"),
    }
    bucket = jobs["S3"]["CreatedResourceArn"].rpartition(":")[2]
    volumes = place.aws.client("ec2", RECOVERY)
    (made,) = volumes.describe_volumes()["Volumes"]
    assert bucket.startswith("awsbackup-restore-test-")
    assert [tag["Key"] for tag in made["Tags"]] == ["awsbackup-restore-test"]

    done = {"RestoreJobId": jobs["EBS"]["RestoreJobId"], "ValidationStatus": "SUCCESSFUL"}
    place.backup.put_restore_validation_result(**done, ValidationStatusMessage="20 GiB")
    assert refusal(lambda: place.backup.put_restore_validation_result(**done))[0] == "InvalidRequestException"
    first = {each["RestoreJobId"] for each in jobs.values()}
    control("POST", "clock", {"advance": 3600})
    after = [place.backup.describe_restore_job(RestoreJobId=each) for each in first]
    found = {each["ResourceType"]: (each["ValidationStatus"], each["DeletionStatus"]) for each in after}
    assert found == {"EBS": ("SUCCESSFUL", "SUCCESSFUL"), "S3": ("TIMED_OUT", "DELETING")}

    control("POST", "clock", {"advance": 86_400})
    (deleted,) = [each for each in first if each == jobs["S3"]["RestoreJobId"]]
    assert place.backup.describe_restore_job(RestoreJobId=deleted)["DeletionStatus"] == "SUCCESSFUL"
    names = [each["Name"] for each in place.aws.client("s3", RECOVERY).list_buckets()["Buckets"]]
    assert bucket not in names


def test_only_a_restore_test_is_validated(place: Place) -> None:
    job = place.ended(place.start("EBS", {"availabilityZone": f"{RECOVERY}a"}))
    wanted = {"RestoreJobId": job["RestoreJobId"], "ValidationStatus": "SUCCESSFUL"}
    assert refusal(lambda: place.backup.put_restore_validation_result(**wanted))[0] == "InvalidRequestException"


def test_plans_back_up_nothing_that_a_restore_test_has_created(place: Place, control: Callable[..., Any]) -> None:
    make_plan(place, hours=4)
    control("POST", "clock", {"advance": 3600})
    there = place.backup
    rule = {"RuleName": "r", "TargetBackupVaultName": "data", "ScheduleExpression": "cron(0 * * * ? *)"}
    plan = there.create_backup_plan(BackupPlan={"BackupPlanName": "any", "Rules": [rule]})["BackupPlanId"]
    selection = {"SelectionName": "s", "IamRoleArn": place.role, "Resources": ["arn:aws:ec2:*:*:volume/*"]}
    there.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    before = len(there.list_recovery_points_by_backup_vault(BackupVaultName="data")["RecoveryPoints"])
    control("POST", "clock", {"advance": 3600})
    points = there.list_recovery_points_by_backup_vault(BackupVaultName="data")["RecoveryPoints"]

    assert len(points) == before + 2  # the copies of the primary region
