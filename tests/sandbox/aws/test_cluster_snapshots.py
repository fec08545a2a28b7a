"""Backups of Aurora clusters by AWS Backup: snapshots that RDS lists and restores, in both regions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import document, make_role, refusal, selection, until

EAST, WEST = "us-east-1", "us-west-2"
CLUSTER, ENGINE = "registry", {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}
ARN = f"arn:aws:rds:{EAST}:123456789012:cluster:{CLUSTER}"
COPIES = f"arn:aws:backup:{WEST}:123456789012:backup-vault:copies"
TYPED = {
    "ListOfTags": [],
    "Resources": ["arn:aws:rds:*:*:cluster:*"],
    "Conditions": {"StringEquals": [{"ConditionKey": "aws:ResourceTag/backup", "ConditionValue": "enabled"}]},
}
Control = Callable[..., Any]


class Backups:
    """A cluster and a plan of AWS Backup that copies to the other region, by boto3."""

    def __init__(self, aws: Running, control: Control, encrypted: bool = True) -> None:
        self.control = control
        self.rds = {region: aws.client("rds", region) for region in (EAST, WEST)}
        self.backup = {region: aws.client("backup", region) for region in (EAST, WEST)}
        self.keys = {region: aws.client("kms", region).create_key()["KeyMetadata"]["Arn"] for region in (EAST, WEST)}
        self.kms = {region: aws.client("kms", region) for region in (EAST, WEST)}
        self.role = make_role(aws, "backup", "backup.amazonaws.com")
        self.rds[EAST].create_db_cluster(
            DBClusterIdentifier=CLUSTER,
            MasterUsername="registry",
            MasterUserPassword="a-password-of-a-test",
            Tags=[{"Key": "backup", "Value": "enabled"}],
            **ENGINE,
            **({"StorageEncrypted": True, "KmsKeyId": self.keys[EAST]} if encrypted else {}),
        )
        for region, vault in ((EAST, "data"), (WEST, "copies")):
            self.backup[region].create_backup_vault(BackupVaultName=vault, EncryptionKeyArn=self.keys[region])
        lifecycle = {"DeleteAfterDays": 30}
        rule: dict[str, Any] = {
            "ScheduleExpression": "cron(0 14 * * ? *)",
            "CopyActions": [{"DestinationBackupVaultArn": COPIES, "Lifecycle": lifecycle}],
        }
        plan = self.backup[EAST].create_backup_plan(BackupPlan=document(**rule))["BackupPlanId"]
        self.select = partial(self.backup[EAST].create_backup_selection, BackupPlanId=plan)

    def opt_in(self) -> None:
        self.backup[EAST].update_region_settings(ResourceTypeOptInPreference={"Aurora": True})

    def run(self, **changes: Any) -> None:
        """Run the plan's jobs once."""
        self.select(BackupSelection=selection(self.role, **TYPED | changes))
        until(self.control, 14)

    def points(self, region: str) -> list[dict[str, Any]]:
        vault = {EAST: "data", WEST: "copies"}[region]
        found = self.backup[region].list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]
        return [each for each in found if each["ResourceType"] == "Aurora"]

    def snapshots(self, region: str, **wanted: Any) -> list[dict[str, Any]]:
        return list(self.rds[region].describe_db_cluster_snapshots(**wanted)["DBClusterSnapshots"])


@pytest.fixture
def backups(aws: Running, control: Control) -> Backups:
    return Backups(aws, control)


def test_a_cluster_is_backed_up_as_a_snapshot_with_its_key_and_copied_with_that_of_the_vault(backups: Backups) -> None:
    backups.opt_in()
    backups.run()

    for region, job in ((EAST, "job"), (WEST, "copyjob")):
        (point,), (snapshot,) = backups.points(region), backups.snapshots(region, SnapshotType="awsbackup")
        assert re.fullmatch(
            rf"arn:aws:rds:{region}:\d+:cluster-snapshot:awsbackup:{job}-[0-9a-f-]{{36}}",
            snapshot["DBClusterSnapshotArn"],
        )
        assert (point["RecoveryPointArn"], point["ResourceArn"]) == (snapshot["DBClusterSnapshotArn"], ARN)
        assert (snapshot["DBClusterIdentifier"], snapshot["Status"]) == (CLUSTER, "available")
        assert (snapshot["StorageEncrypted"], snapshot["KmsKeyId"]) == (True, backups.keys[region])
        assert (point["IsEncrypted"], point["EncryptionKeyArn"]) == (True, backups.keys[region])
        assert snapshot["SnapshotCreateTime"] == point["CreationDate"]


def test_rds_lists_snapshots_of_aws_backup_only_when_asked_for(backups: Backups) -> None:
    backups.opt_in()
    backups.run()
    name = backups.snapshots(EAST, SnapshotType="awsbackup")[0]["DBClusterSnapshotIdentifier"]

    assert {each["SnapshotType"] for each in backups.snapshots(EAST)} == {"automated"}
    assert (
        refusal(lambda: backups.snapshots(EAST, DBClusterSnapshotIdentifier=name))[0]
        == "DBClusterSnapshotNotFoundFault"
    )


@pytest.mark.parametrize(("wanted", "left"), [({}, set()), ({"DeleteAutomatedBackups": False}, {"automated"})])
def test_automated_snapshots_are_deleted_with_their_cluster_unless_they_are_kept(
    backups: Backups, wanted: dict[str, bool], left: set[str]
) -> None:
    backups.rds[EAST].delete_db_cluster(DBClusterIdentifier=CLUSTER, SkipFinalSnapshot=True, **wanted)

    assert {each["SnapshotType"] for each in backups.snapshots(EAST)} == left


@pytest.mark.parametrize(
    "changes", [{}, {"Resources": [ARN]}, {"Resources": [], "ListOfTags": selection("")["ListOfTags"]}],
    ids=["type", "resource", "tag"],
)  # fmt: skip
def test_a_cluster_is_not_backed_up_in_a_region_that_has_not_opted_in_to_aurora(
    backups: Backups, changes: dict[str, Any]
) -> None:
    backups.run(**changes)
    assert backups.points(EAST) == []

    backups.opt_in()
    until(backups.control, 15)
    until(backups.control, 14)
    assert [each["ResourceArn"] for each in backups.points(EAST)] == [ARN]


def test_a_backup_on_demand_needs_the_opt_in_too(backups: Backups) -> None:
    start = partial(
        backups.backup[EAST].start_backup_job, BackupVaultName="data", ResourceArn=ARN, IamRoleArn=backups.role
    )
    assert refusal(start)[0] == "InvalidRequestException"

    backups.opt_in()
    assert start()["RecoveryPointArn"] == backups.points(EAST)[0]["RecoveryPointArn"]


def test_a_snapshot_of_an_unencrypted_cluster_and_its_copy_are_not_encrypted(aws: Running, control: Control) -> None:
    backups = Backups(aws, control, encrypted=False)
    backups.opt_in()
    backups.run()

    for region in (EAST, WEST):
        assert [each["IsEncrypted"] for each in backups.points(region)] == [False]
        assert [each["StorageEncrypted"] for each in backups.snapshots(region, SnapshotType="awsbackup")] == [False]


@pytest.mark.parametrize("region", [EAST, WEST])
def test_a_copy_fails_while_a_key_is_disabled_and_the_backup_is_kept(backups: Backups, region: str) -> None:
    backups.opt_in()
    backups.kms[region].disable_key(KeyId=backups.keys[region])
    backups.run()

    assert (len(backups.points(EAST)), backups.points(WEST)) == (1, [])


def test_a_stopped_cluster_is_not_backed_up(backups: Backups) -> None:
    backups.opt_in()
    backups.rds[EAST].stop_db_cluster(DBClusterIdentifier=CLUSTER)
    backups.run()

    (job,) = backups.backup[EAST].list_backup_jobs()["BackupJobs"]
    assert (job["State"], job["StatusMessage"]) == ("FAILED", f"Cluster {CLUSTER} is in stopped state")


def test_a_copy_is_restored_in_its_region_after_the_cluster_is_gone(backups: Backups) -> None:
    backups.opt_in()
    backups.run()
    backups.rds[EAST].delete_db_cluster(DBClusterIdentifier=CLUSTER, SkipFinalSnapshot=True)
    (copy,), (source,) = (backups.snapshots(region, SnapshotType="awsbackup") for region in (WEST, EAST))
    restore = partial(backups.rds[WEST].restore_db_cluster_from_snapshot, Engine=ENGINE["Engine"])

    abroad = partial(restore, DBClusterIdentifier="abroad", SnapshotIdentifier=source["DBClusterSnapshotArn"])
    assert refusal(abroad)[0] == "DBClusterSnapshotNotFoundFault"
    for name, wanted in (("by-name", copy["DBClusterSnapshotIdentifier"]), ("by-arn", copy["DBClusterSnapshotArn"])):
        restore(DBClusterIdentifier=name, SnapshotIdentifier=wanted)
    found = {each["DBClusterIdentifier"]: each for each in backups.rds[WEST].describe_db_clusters()["DBClusters"]}
    assert {name: each["MasterUsername"] for name, each in found.items()} == {
        "by-name": "registry",
        "by-arn": "registry",
    }


def test_a_snapshot_whose_key_is_disabled_is_not_restored(backups: Backups) -> None:
    backups.opt_in()
    backups.run()
    (copy,) = backups.snapshots(WEST, SnapshotType="awsbackup")
    backups.kms[WEST].disable_key(KeyId=backups.keys[WEST])
    restore = partial(
        backups.rds[WEST].restore_db_cluster_from_snapshot,
        DBClusterIdentifier="again",
        SnapshotIdentifier=copy["DBClusterSnapshotIdentifier"],
        Engine=ENGINE["Engine"],
    )

    assert refusal(restore)[0] == "KMSKeyNotAccessibleFault"
    assert backups.rds[WEST].describe_db_clusters()["DBClusters"] == []


def test_only_aws_backup_deletes_its_snapshots(backups: Backups) -> None:
    backups.opt_in()
    backups.run()
    (copy,) = backups.snapshots(WEST, SnapshotType="awsbackup")
    name = copy["DBClusterSnapshotIdentifier"]
    delete = partial(backups.rds[WEST].delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=name)
    assert refusal(delete)[0] == "InvalidDBClusterSnapshotStateFault"

    arn = copy["DBClusterSnapshotArn"]
    backups.backup[WEST].delete_recovery_point(BackupVaultName="copies", RecoveryPointArn=arn)
    assert backups.snapshots(WEST, SnapshotType="awsbackup") == []
