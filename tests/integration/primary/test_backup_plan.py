"""Vaults and plans of both regions, deployed by the real engine and read back with boto3."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed
from sandbox.emulator_client import ask
from sandbox.local import ROOT
from tests.support.buckets import make_bucket
from tests.support.sandbox import SandboxUnderTest, copy_project, sandbox_in

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
VAULT_ARN = "arn:aws:backup:us-west-2:123456789012:backup-vault:ml-dr"

PROGRAM = """
    import sys
    sys.path.insert(0, {root!r})
    from components.data.backup_plan import BackupPlan, BackupPlanArgs
    from components.data.backup_rules import BackupRule, VaultLock
    from components.data.backup_vault import BackupVault, BackupVaultArgs
    from components.data.data_keys import DataKeys, DataKeysArgs
    from components.data.region_key import RegionKey, RegionKeyArgs
    from components.data.restore_testing import RestoreTesting, RestoreTestingArgs
    from components.monitoring.alert_topic import AlertTopic, AlertTopicArgs
    from components.monitoring.dead_letters import DeadLetters, DeadLettersArgs
    from components.monitoring.event_function import RESTORE_TESTS, EventFunction, EventFunctionArgs
    import pulumi
    from components import iam

    ACCOUNT = "123456789012"
    EAST, WEST = "us-east-1", "us-west-2"
    # The second one is the sandbox's deploying principal.
    ADMINS = ["arn:aws:iam::123456789012:role/break-glass", "arn:aws:iam::123456789012:user/moto"]
    lock = VaultLock({lock_days}, 365)
    keys = DataKeys("data", DataKeysArgs("ml-dr", EAST, WEST, protect=False))
    here = BackupVault("primary", BackupVaultArgs("ml-dr", EAST, keys.source_arn, protect=False))
    there = BackupVault(
        "recovery", BackupVaultArgs("ml-dr", WEST, keys.replica_arn, lock, ADMINS, protect={protect})
    )
    archive = BackupRule("archive", "cron(0 2 1 * ? *)", 365, cold_days=30, complete_hours=24)
    rules = [BackupRule(retention_days={days}), archive]
    BackupPlan("primary", BackupPlanArgs("ml-dr", EAST, here.vault_name, there.arn, rules, copy_lock=lock))
    BackupPlan("recovery", BackupPlanArgs("ml-dr", WEST, there.vault_name, running={running}, vault_lock=lock))
    RestoreTesting("tests", RestoreTestingArgs("copies", WEST, [there.arn], "cron(0 6 * * ? *)"))
    key = RegionKey("region", RegionKeyArgs("ml-dr-region", ACCOUNT, WEST, protect=False))
    topic = AlertTopic("alerts", AlertTopicArgs("alerts", ACCOUNT, WEST, key.arn, ["oncall@example.com"]))
    letters = DeadLetters("letters", DeadLettersArgs("letters", ACCOUNT, WEST))
    replica = iam.EncryptedBucket("models-replica", WEST, "arn:aws:kms:us-west-2:123456789012:key/1")
    statements = pulumi.Output.all(topic.arn, key.arn).apply(
        lambda known: [
            *iam.validate_restores(WEST, ACCOUNT, [replica], ["models-source"]),
            *iam.publish_to(known[0], known[1], WEST),
        ]
    )
    EventFunction(
        "validation",
        EventFunctionArgs(
            function="restore_validation",
            name="validation",
            account=ACCOUNT,
            log_key_arn=key.arn,
            dead_letters_arn=letters.arn,
            region=WEST,
            variables={{
                "PRIMARY_REGION": EAST,
                "REPLICAS": '{{"models-source": "models-replica"}}',
                "TOPIC_ARN": topic.arn,
            }},
            statements=statements,
            pattern=RESTORE_TESTS,
            purpose="Restore tests",
        ),
    )
"""


SETTINGS = {"root": str(ROOT), "days": 30, "lock_days": 7, "running": True, "protect": False}


class Deployed:
    """The program in its own sandbox; keywords of `up` replace settings."""

    def __init__(self, sandbox: SandboxUnderTest, file: Path) -> None:
        self.sandbox, self.file = sandbox, file

    def up(self, **changes: Any) -> Any:
        self.file.write_text(textwrap.dedent(PROGRAM).format(**{**SETTINGS, **changes}))
        return self.sandbox.engine.up("primary")

    def backup(self, region: str) -> Any:
        return self.sandbox.client("backup", region)

    def vault(self, region: str) -> dict[str, Any]:
        return dict(self.backup(region).describe_backup_vault(BackupVaultName="ml-dr"))

    def plans(self, region: str) -> list[dict[str, Any]]:
        listed = self.backup(region).list_backup_plans()["BackupPlansList"]
        return [self.backup(region).get_backup_plan(BackupPlanId=plan["BackupPlanId"]) for plan in listed]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("backups")
    file = folder / "program" / "__main__.py"
    file.parent.mkdir()
    with sandbox_in(folder, copy_project(folder / "project", file.parent)) as sandbox:
        yield Deployed(sandbox, file)


@pytest.fixture
def deployed(deployment: Deployed) -> Deployed:
    """The program with its default settings, whatever the previous test changed."""
    deployment.up()
    return deployment


def test_both_regions_back_up_tagged_resources_and_the_primary_copies_to_the_recovery_region(
    deployed: Deployed,
) -> None:
    for region in (EAST, WEST):
        (plan,) = deployed.plans(region)
        rule, *archive = sorted(plan["BackupPlan"]["Rules"], key=lambda each: each["Lifecycle"]["DeleteAfterDays"])
        cold = {"DeleteAfterDays": 365, "MoveToColdStorageAfterDays": 30, "OptInToArchiveForSupportedResources": True}
        for each in archive:
            assert each["Lifecycle"] == each["CopyActions"][0]["Lifecycle"] == cold
            assert each["CompletionWindowMinutes"] == 24 * 60
        assert len(archive) == (1 if region == EAST else 0)
        assert rule["TargetBackupVaultName"] == "ml-dr"
        assert rule["ScheduleExpression"] == "cron(0 2 * * ? *)"
        assert rule["Lifecycle"] == {"DeleteAfterDays": 30}
        copies = [{"DestinationBackupVaultArn": VAULT_ARN, "Lifecycle": {"DeleteAfterDays": 30}}]
        assert rule.get("CopyActions", []) == (copies if region == EAST else [])
        assert deployed.vault(region)["EncryptionKeyArn"].startswith(f"arn:aws:kms:{region}:123456789012:key/")

        client, chosen = deployed.backup(region), {"BackupPlanId": plan["BackupPlanId"]}
        (listed,) = client.list_backup_selections(**chosen)["BackupSelectionsList"]
        selected = client.get_backup_selection(SelectionId=listed["SelectionId"], **chosen)["BackupSelection"]
        tag = {"ConditionKey": "aws:ResourceTag/backup", "ConditionValue": "enabled"}
        assert selected["Conditions"]["StringEquals"] == [tag]
        assert "arn:aws:s3:::*" in selected["Resources"]
        iam, role = deployed.sandbox.client("iam", EAST), selected["IamRoleArn"].rpartition("/")[2]
        assert len(iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]) == 4

    assert deployed.vault(EAST)["Locked"] is False
    locked = deployed.vault(WEST)
    assert (locked["Locked"], locked["MinRetentionDays"], locked["MaxRetentionDays"]) == (True, 7, 365)
    assert "LockDate" not in locked  # governance
    policy = deployed.backup(WEST).get_backup_vault_access_policy(BackupVaultName="ml-dr")["Policy"]
    assert "role/break-glass" in json.loads(policy)["Statement"][0]["Condition"]["ArnNotLike"]["aws:PrincipalArn"][0]


def test_newest_copies_are_restored_on_a_schedule_by_a_role_that_may_only_restore(deployed: Deployed) -> None:
    backup = deployed.backup(WEST)
    plan = backup.get_restore_testing_plan(RestoreTestingPlanName="copies")["RestoreTestingPlan"]
    listed = backup.list_restore_testing_selections(RestoreTestingPlanName="copies")["RestoreTestingSelections"]
    (role,) = {each["IamRoleArn"].rpartition("/")[2] for each in listed}
    attached = deployed.sandbox.client("iam", EAST).list_attached_role_policies(RoleName=role)["AttachedPolicies"]

    assert plan["ScheduleExpression"] == "cron(0 6 * * ? *)"
    assert plan["RecoveryPointSelection"]["IncludeVaults"] == [VAULT_ARN]
    assert {each["ProtectedResourceType"] for each in listed} == {"S3", "EBS", "EFS", "DynamoDB"}
    assert {each["PolicyName"] for each in attached} == {
        *("AWSBackupServiceRolePolicyForRestores", "AWSBackupServiceRolePolicyForS3Restore")
    }


def test_restore_test_of_a_copy_is_validated_by_the_deployed_function(deployed: Deployed) -> None:
    sandbox, body = deployed.sandbox, b"weights"
    for region, name in ((EAST, "models-source"), (WEST, "models-replica")):
        make_bucket(sandbox.client("s3", region), name)
        sandbox.client("s3", region).put_object(Bucket=name, Key="a", Body=body)
    tag = {"TagSet": [{"Key": "backup", "Value": "enabled"}]}
    sandbox.client("s3", EAST).put_bucket_tagging(Bucket="models-source", Tagging=tag)
    # To a minute after 06:00 of the next day: backups are at 02:00, the test at 06:00.
    now = datetime.fromisoformat(ask(sandbox.server, "GET", "clock")["now"])
    end = (now + timedelta(days=1)).replace(hour=6, minute=2, second=0, microsecond=0)
    while (left := (end - datetime.fromisoformat(ask(sandbox.server, "GET", "clock")["now"])).total_seconds()) > 0:
        ask(sandbox.server, "POST", "clock", {"advance": min(left, 43_200)})
    listed = deployed.backup(WEST).list_restore_jobs(ByResourceType="S3")["RestoreJobs"]
    newest = max(listed, key=lambda each: each["CreationDate"])

    assert newest["ValidationStatus"] == "SUCCESSFUL"
    assert newest["ValidationStatusMessage"] == "1 objects, 7 bytes, 1 with equal hashes"
    restored = newest["CreatedResourceArn"].rpartition(":")[2]
    found = sandbox.client("s3", WEST).get_object(Bucket=restored, Key="a")["Body"].read()
    assert hashlib.sha256(found).digest() == hashlib.sha256(body).digest()
    # A vault with recovery points is not deleted: AWS refuses it, and the message says what is in the way.
    with pytest.raises(Failed, match="cannot be deleted as it contains recovery points"):
        sandbox.engine.destroy("primary")
    for region in (EAST, WEST):
        backup = deployed.backup(region)
        for point in backup.list_recovery_points_by_backup_vault(BackupVaultName="ml-dr")["RecoveryPoints"]:
            backup.delete_recovery_point(BackupVaultName="ml-dr", RecoveryPointArn=point["RecoveryPointArn"])


def test_backup_plan_is_updated_paused_and_destroyed(deployed: Deployed) -> None:
    assert deployed.up().none
    assert deployed.sandbox.engine.preview("primary", refresh=True).none

    (before,) = deployed.plans(EAST)
    changes = deployed.up(days=60)
    assert [(op, urn.rpartition("::")[2]) for op, urn, _ in changes.changed] == [("update", "primary-plan")]
    (after,) = deployed.plans(EAST)
    assert after["BackupPlanId"] == before["BackupPlanId"]
    assert {"DeleteAfterDays": 60} in [rule["Lifecycle"] for rule in after["BackupPlan"]["Rules"]]

    mark = deployed.sandbox.mark()
    changes = deployed.up(days=60, running=False)
    assert {(op, urn.rpartition("::")[2]) for op, urn, _ in changes.changed} == {
        ("delete", "recovery-plan"),
        ("delete", "recovery-selection"),
    }
    assert deployed.plans(WEST) == []
    assert deployed.up(days=60).counts["create"] == 2
    written = [call for call in deployed.sandbox.calls(mark) if not call["operation"].startswith(("Get", "List"))]
    assert {(call["service"], call["target"]) for call in written} <= {("backup", WEST), ("sts", EAST)}

    changes = deployed.up(days=60, lock_days=8)
    assert {urn.rpartition("::")[2] for _, urn, _ in changes.changed} == {"recovery-lock"}
    locked = deployed.vault(WEST)
    assert (locked["Locked"], locked["MinRetentionDays"]) == (True, 8)
    assert deployed.up(days=60, lock_days=8).none

    deployed.sandbox.engine.destroy("primary")
    for region in (EAST, WEST):
        assert deployed.backup(region).list_backup_vaults()["BackupVaultList"] == []
        assert deployed.plans(region) == []
    assert deployed.sandbox.client("iam", EAST).list_roles()["Roles"] == []


def test_protected_vault_stays_locked_while_its_lock_changes_and_is_not_destroyed(deployed: Deployed) -> None:
    deployed.up(protect=True)
    mark = deployed.sandbox.mark()
    deployed.up(protect=True, lock_days=8)
    locked = deployed.vault(WEST)
    assert (locked["Locked"], locked["MinRetentionDays"]) == (True, 8)
    assert "backup:DeleteBackupVaultLockConfiguration" not in deployed.sandbox.operations(mark)
    assert deployed.up(protect=True, lock_days=8).none

    with pytest.raises(Failed, match="protected"):
        deployed.sandbox.engine.destroy("primary")
    assert deployed.vault(WEST)["Locked"] is True
