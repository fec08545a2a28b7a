"""Copy jobs of AWS Backup on demand: one that succeeds, and each refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import make_role, refusal
from tests.support.buckets import PRIMARY, RECOVERY, make_bucket

TARGET = f"arn:aws:backup:{RECOVERY}:123456789012:backup-vault:copies"


@pytest.fixture
def request_of(aws: Running) -> dict[str, str]:
    """A copy to the other region of a bucket's recovery point."""
    role = make_role(aws, "backup", "backup.amazonaws.com")
    here, there = (aws.client("backup", region) for region in (PRIMARY, RECOVERY))
    make_bucket(aws.client("s3", PRIMARY), "data")
    here.create_backup_vault(BackupVaultName="own")
    there.create_backup_vault(BackupVaultName="copies")
    job = here.start_backup_job(BackupVaultName="own", ResourceArn="arn:aws:s3:::data", IamRoleArn=role)
    return {
        "RecoveryPointArn": job["RecoveryPointArn"],
        "SourceBackupVaultName": "own",
        "DestinationBackupVaultArn": TARGET,
        "IamRoleArn": role,
    }


def copies(aws: Running) -> list[str]:
    listed = aws.client("backup", RECOVERY).list_recovery_points_by_backup_vault(BackupVaultName="copies")
    return [each["RecoveryPointArn"] for each in listed["RecoveryPoints"]]


def test_a_copy_on_demand_arrives_and_its_job_names_both_recovery_points(
    aws: Running, request_of: dict[str, str]
) -> None:
    backup = aws.client("backup", PRIMARY)
    started = backup.start_copy_job(**request_of, Lifecycle={"DeleteAfterDays": 35})
    job = backup.describe_copy_job(CopyJobId=started["CopyJobId"])["CopyJob"]

    assert (job["State"], job["ResourceArn"], job["ResourceType"]) == ("COMPLETED", "arn:aws:s3:::data", "S3")
    assert job["SourceRecoveryPointArn"] == request_of["RecoveryPointArn"]
    assert copies(aws) == [job["DestinationRecoveryPointArn"]]


def test_a_copy_with_the_token_of_another_one_is_that_one(aws: Running, request_of: dict[str, str]) -> None:
    backup = aws.client("backup", PRIMARY)
    first, second = (backup.start_copy_job(**request_of, IdempotencyToken="once") for _ in range(2))

    assert first["CopyJobId"] == second["CopyJobId"]
    assert len(copies(aws)) == 1


def test_a_copy_to_a_region_that_cannot_be_reached_fails_and_is_listed(
    aws: Running, request_of: dict[str, str], control: Callable[..., Any]
) -> None:
    backup = aws.client("backup", PRIMARY)
    control("POST", "faults", {"kind": "region", "region": RECOVERY, "unreachable": True})
    backup.start_copy_job(**request_of)
    control("DELETE", "faults")
    (job,) = backup.list_copy_jobs(ByState="FAILED")["CopyJobs"]

    assert job["StatusMessage"] == "us-west-2 cannot be reached"
    assert (copies(aws), backup.list_copy_jobs(ByState="COMPLETED")["CopyJobs"]) == ([], [])


@pytest.mark.parametrize("disabled", [PRIMARY, RECOVERY, ""], ids=["of the volume", "of the vault", "neither"])
def test_a_volume_is_copied_unless_a_key_of_either_side_is_disabled(aws: Running, disabled: str) -> None:
    role = make_role(aws, "backup", "backup.amazonaws.com")
    backup, ec2 = aws.client("backup", PRIMARY), aws.client("ec2", PRIMARY)
    keys = {each: aws.client("kms", each).create_key()["KeyMetadata"]["Arn"] for each in (PRIMARY, RECOVERY)}
    backup.create_backup_vault(BackupVaultName="own")
    aws.client("backup", RECOVERY).create_backup_vault(BackupVaultName="copies", EncryptionKeyArn=keys[RECOVERY])
    wanted = {"AvailabilityZone": f"{PRIMARY}a", "Size": 1, "Encrypted": True, "KmsKeyId": keys[PRIMARY]}
    volume = f"arn:aws:ec2:{PRIMARY}:123456789012:volume/{ec2.create_volume(**wanted)['VolumeId']}"
    point = backup.start_backup_job(BackupVaultName="own", ResourceArn=volume, IamRoleArn=role)["RecoveryPointArn"]
    if disabled:
        aws.client("kms", disabled).disable_key(KeyId=keys[disabled])
    of = {"SourceBackupVaultName": "own", "DestinationBackupVaultArn": TARGET, "IamRoleArn": role}
    started = backup.start_copy_job(RecoveryPointArn=point, **of)["CopyJobId"]
    job = backup.describe_copy_job(CopyJobId=started)["CopyJob"]

    expected = ("FAILED", "Given key ID is not accessible", 0) if disabled else ("COMPLETED", None, 1)
    assert (job["State"], job.get("StatusMessage"), len(copies(aws))) == expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SourceBackupVaultName": "other"}, "ResourceNotFoundException"),
        ({"RecoveryPointArn": "arn:aws:backup:us-east-1:123456789012:recovery-point:1"}, "ResourceNotFoundException"),
        ({"IamRoleArn": "arn:aws:iam::123456789012:role/none"}, "InvalidParameterValueException"),
    ],
    ids=["vault", "recovery-point", "role"],
)
def test_a_copy_of_what_does_not_exist_is_refused(
    aws: Running, request_of: dict[str, str], changes: dict[str, str], code: str
) -> None:
    backup = aws.client("backup", PRIMARY)

    assert refusal(lambda: backup.start_copy_job(**request_of | changes))[0] == code


def test_an_unknown_copy_job_is_not_found(aws: Running) -> None:
    backup = aws.client("backup", PRIMARY)

    assert refusal(lambda: backup.describe_copy_job(CopyJobId="none"))[0] == "ResourceNotFoundException"
