"""Logically air-gapped vaults over boto3: creation, lock, deletion, and which copies arrive."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import BY_ARN, held, make_role, refusal, selection, until
from tests.support.buckets import PRIMARY, RECOVERY

NAME = "isolated"
VAULT = {"BackupVaultName": NAME, "MinRetentionDays": 7, "MaxRetentionDays": 35}


@pytest.fixture
def backup(aws: Running) -> Any:
    return aws.client("backup", RECOVERY)


def create(aws: Running, region: str, control: Callable[..., Any], **changes: Any) -> str:
    """Create a vault, and wait until it is available."""
    made = aws.client("backup", region).create_logically_air_gapped_backup_vault(**{**VAULT, **changes})
    assert made["VaultState"] == "CREATING"
    control("POST", "clock", {"advance": 180})
    return str(made["BackupVaultArn"])


def test_a_vault_is_available_after_minutes_and_locked_for_ever_from_the_start(
    aws: Running, backup: Any, control: Callable[..., Any]
) -> None:
    create(aws, RECOVERY, control, BackupVaultTags={"owner": "ml"})
    found = backup.describe_backup_vault(BackupVaultName=NAME)

    assert (found["VaultType"], found["VaultState"]) == ("LOGICALLY_AIR_GAPPED_BACKUP_VAULT", "AVAILABLE")
    assert (found["Locked"], found["MinRetentionDays"], found["MaxRetentionDays"]) == (True, 7, 35)
    assert found["EncryptionKeyType"] == "AWS_OWNED_KMS_KEY"
    assert found["LockDate"] <= datetime.datetime.now(datetime.UTC)
    assert backup.list_tags(ResourceArn=found["BackupVaultArn"])["Tags"] == {"owner": "ml"}
    for call in (backup.put_backup_vault_lock_configuration, backup.delete_backup_vault_lock_configuration):
        assert refusal(partial(call, BackupVaultName=NAME))[0] == "InvalidRequestException"
    listed = backup.list_backup_vaults(ByVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT")["BackupVaultList"]
    assert [each["BackupVaultName"] for each in listed] == [NAME]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"MinRetentionDays": 6}, "InvalidParameterValueException", "MinRetentionDays 6 is less than 7"),
        ({"MaxRetentionDays": 6}, "InvalidParameterValueException", "MaxRetentionDays 6 is not between"),
        ({"MaxRetentionDays": 36_501}, "InvalidParameterValueException", "MaxRetentionDays 36501 is not between"),
        ({"EncryptionKeyArn": "arn:aws:kms:us-west-2:123456789012:key/none"}, "InvalidParameterValueException", "key"),
        ({"BackupVaultName": "data"}, "AlreadyExistsException", "same name"),
    ],
)
def test_a_vault_that_aws_would_refuse_is_refused(
    backup: Any, changes: dict[str, Any], code: str, message: str
) -> None:
    backup.create_backup_vault(BackupVaultName="data")
    found = refusal(partial(backup.create_logically_air_gapped_backup_vault, **{**VAULT, **changes}))

    assert (found[0], message in found[1]) == (code, True), found


def test_an_empty_vault_can_be_deleted(aws: Running, backup: Any, control: Callable[..., Any]) -> None:
    create(aws, RECOVERY, control)
    backup.delete_backup_vault(BackupVaultName=NAME)

    assert refusal(partial(backup.describe_backup_vault, BackupVaultName=NAME))[0] == "ResourceNotFoundException"


@pytest.fixture
def world(aws: Running) -> None:
    """A bucket and two volumes in the recovery region, one of them with a customer managed key."""
    s3, ec2 = aws.client("s3", RECOVERY), aws.client("ec2", RECOVERY)
    s3.create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": RECOVERY})
    s3.put_bucket_tagging(Bucket="one", Tagging={"TagSet": [{"Key": "backup", "Value": "enabled"}]})
    s3.put_object(Bucket="one", Key="a", Body=b"first")
    key = aws.client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"]
    for changes in ({"KmsKeyId": key}, {}):
        tags = [{"Key": "backup", "Value": "enabled"}]
        spec = [{"ResourceType": "volume", "Tags": tags}]
        ec2.create_volume(AvailabilityZone=f"{RECOVERY}a", Size=1, Encrypted=True, TagSpecifications=spec, **changes)


def snapshots(aws: Running) -> set[str]:
    """Return the snapshots of this account in the vault's region."""
    return {each["SnapshotId"] for each in aws.client("ec2", PRIMARY).describe_snapshots()["Snapshots"]}


def back_up(aws: Running, control: Callable[..., Any], *targets: str) -> str:
    """Run a plan of the recovery region once, with copies to vaults, and return the role's ARN."""
    backup = aws.client("backup", RECOVERY)
    backup.create_backup_vault(BackupVaultName="data")
    role = make_role(aws, "backup", "backup.amazonaws.com")
    lifecycle = {"DeleteAfterDays": 30}
    rule = {
        "RuleName": "daily",
        "TargetBackupVaultName": "data",
        "ScheduleExpression": "cron(0 2/12 * * ? *)",
        "Lifecycle": lifecycle,
        "CopyActions": [{"DestinationBackupVaultArn": target, "Lifecycle": lifecycle} for target in targets],
    }
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "ml-dr", "Rules": [rule]})["BackupPlanId"]
    types = ["arn:aws:s3:::*", "arn:aws:ec2:*:*:volume/*"]
    chosen = selection(role, **{**BY_ARN, "Resources": types})
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=chosen)
    until(control, 14)
    return role


@pytest.mark.usefixtures("world")
def test_buckets_and_volumes_with_a_customer_key_are_copied_and_no_one_can_delete_the_copies(
    aws: Running, control: Callable[..., Any]
) -> None:
    before = snapshots(aws)
    back_up(aws, control, create(aws, PRIMARY, control))
    there = aws.client("backup", PRIMARY)
    points = there.list_recovery_points_by_backup_vault(BackupVaultName=NAME)["RecoveryPoints"]

    copied = {(each["ResourceType"], each["ResourceArn"]) for each in points}
    assert len(held(aws, RECOVERY, "data")) == 3
    assert sorted(kind for kind, _ in copied) == ["EBS", "S3"], "not the volume without a customer managed key"
    assert {each["RecoveryPointArn"].split(":")[2] for each in points} == {"backup"}
    assert snapshots(aws) == before
    for each in points:
        assert "EncryptionKeyArn" not in each
        assert each["CalculatedLifecycle"]["DeleteAt"] == each["CreationDate"] + datetime.timedelta(days=30)
        of = {"BackupVaultName": NAME, "RecoveryPointArn": each["RecoveryPointArn"]}
        assert refusal(partial(there.delete_recovery_point, **of))[0] == "InvalidRequestException"
    assert refusal(partial(there.delete_backup_vault, BackupVaultName=NAME))[0] == "InvalidRequestException"


@pytest.mark.usefixtures("world")
def test_a_copy_arrives_only_with_a_retention_that_the_vault_accepts(aws: Running, control: Callable[..., Any]) -> None:
    bounds = {"low": (7, 29), "exact": (30, 30), "high": (31, 365)}
    vaults = [
        create(aws, PRIMARY, control, BackupVaultName=name, MinRetentionDays=least, MaxRetentionDays=most)
        for name, (least, most) in bounds.items()
    ]
    back_up(aws, control, *vaults)

    assert {name: "one" in held(aws, PRIMARY, name) for name in bounds} == {"low": False, "exact": True, "high": False}


@pytest.mark.usefixtures("world")
def test_a_volume_is_restored_from_a_copy_and_its_snapshot_stays_in_the_vault(
    aws: Running, control: Callable[..., Any]
) -> None:
    before = snapshots(aws)
    role = back_up(aws, control, create(aws, PRIMARY, control))
    name = "service-role/AWSBackupServiceRolePolicyForRestores"
    aws.client("iam", PRIMARY).attach_role_policy(RoleName="backup", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    there, ec2 = aws.client("backup", PRIMARY), aws.client("ec2", PRIMARY)
    listed = there.list_recovery_points_by_backup_vault(BackupVaultName=NAME, ByResourceType="EBS")
    point = listed["RecoveryPoints"][0]
    job = there.start_restore_job(
        RecoveryPointArn=point["RecoveryPointArn"],
        IamRoleArn=role,
        Metadata={"availabilityZone": f"{PRIMARY}a", "encrypted": "true", "volumeType": "gp3"},
    )["RestoreJobId"]
    control("POST", "clock", {"advance": 5})
    there.describe_restore_job(RestoreJobId=job)
    ended = there.describe_restore_job(RestoreJobId=job)

    assert ended["Status"] == "COMPLETED", ended.get("StatusMessage")
    (made,) = ec2.describe_volumes(VolumeIds=[ended["CreatedResourceArn"].rpartition("/")[2]])["Volumes"]
    assert (made["Size"], made["Encrypted"]) == (1, True)
    assert snapshots(aws) == before


@pytest.mark.usefixtures("world")
def test_no_backup_is_made_in_such_a_vault_directly(aws: Running, backup: Any, control: Callable[..., Any]) -> None:
    create(aws, RECOVERY, control)
    role = make_role(aws, "direct", "backup.amazonaws.com")
    call = partial(
        backup.start_backup_job,
        BackupVaultName=NAME,
        ResourceArn="arn:aws:s3:::one",
        IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 30},
    )
    job = backup.describe_backup_job(BackupJobId=call()["BackupJobId"])

    assert (job["State"], "only receives copies" in job["StatusMessage"]) == ("FAILED", True)
