"""The vaults of the deployed primary stack, read back with boto3, and what their lock and access policy refuse."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
VAULTS = [(EAST, "ml-dr-backups"), (EAST, "ml-dr-copies"), (WEST, "ml-dr-backups"), (WEST, "ml-dr-local")]


@pytest.mark.parametrize(("region", "vault"), VAULTS)
def test_vault_is_locked_by_a_governance_lock_and_denies_deletion_to_everyone(
    region: str, vault: str, primary_alone: SandboxUnderTest
) -> None:
    backup = primary_alone.client("backup", region)
    found = backup.describe_backup_vault(BackupVaultName=vault)
    (statement,) = json.loads(backup.get_backup_vault_access_policy(BackupVaultName=vault)["Policy"])["Statement"]

    assert (found["Locked"], found["MinRetentionDays"], "LockDate" in found) == (True, 7, False)
    assert (statement["Effect"], "Condition" in statement) == ("Deny", False)


def test_job_that_a_lock_fails_is_reported_to_the_alert_topic_of_its_region(primary_alone: SandboxUnderTest) -> None:
    backup, bucket = primary_alone.client("backup", EAST), primary_alone.engine.outputs("primary")["primary_bucket"]
    (role,) = [
        each["Arn"]
        for each in primary_alone.client("iam", EAST).list_roles()["Roles"]
        if each["RoleName"].startswith("backup-role-")
    ]
    before = primary_alone.messages()

    def start(days: int) -> None:
        backup.start_backup_job(
            BackupVaultName="ml-dr-backups",
            ResourceArn=f"arn:aws:s3:::{bucket}",
            IamRoleArn=role,
            Lifecycle={"DeleteAfterDays": days},
        )

    start(35)
    start(1)
    (failed,) = backup.list_backup_jobs(ByState="FAILED")["BackupJobs"]
    (message,) = [each for each in primary_alone.messages() if each not in before]

    assert "outside the range that the lock" in failed["StatusMessage"]
    assert (message["topic"], message["region"]) == ("ml-dr-alerts", EAST)
    assert "Backup Job State Change: FAILED, S3 arn:aws:s3:::" in message["message"]
    of = {"BackupVaultName": "ml-dr-backups"}
    (point,) = backup.list_recovery_points_by_backup_vault(**of)["RecoveryPoints"]
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        backup.delete_recovery_point(**of, RecoveryPointArn=point["RecoveryPointArn"])
