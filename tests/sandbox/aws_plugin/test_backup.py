"""AWS Backup's types beyond create, update and delete: replacement, defaults, drift and refusals."""

from __future__ import annotations

import threading

import grpc
import pytest

from sandbox.aws_plugin.plugin import from_struct
from tests.sandbox.aws_plugin.examples import KEY, ROLE, make, trust
from tests.sandbox.aws_plugin.examples_backup import (
    ATTACHMENT,
    LOCK,
    MANAGED,
    PLAN,
    SELECTION,
    VAULT,
    VAULT_POLICY,
    rules,
)
from tests.sandbox.aws_plugin.harness import Engine


@pytest.mark.parametrize(
    ("example", "changes", "path"),
    [
        ("vault", {"kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/another"}, "kmsKeyArn"),
        ("vault-lock", {"minRetentionDays": 8}, "minRetentionDays"),
        ("air-gapped-vault", {"minRetentionDays": 8}, "minRetentionDays"),
        ("air-gapped-vault", {"maxRetentionDays": 366}, "maxRetentionDays"),
        ("vault-lock", {"changeableForDays": 31}, "changeableForDays"),
        ("plan", {"name": "another"}, "name"),
        ("selection", {"iamRoleArn": "arn:aws:iam::123456789012:role/another"}, "iamRoleArn"),
        ("attachment", {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}, "policyArn"),
    ],
)
def test_property_that_the_real_plugin_replaces_is_replaced(
    engine: Engine, example: str, changes: dict[str, object], path: str
) -> None:
    made = make(engine, example, f"{example}-{path}")
    inputs = {name: value for name, value in made.inputs.items() if name not in ("__defaults", "tagsAll")}

    assert made.changes(**{**inputs, **changes}) == {path: "UPDATE_REPLACE"}


def test_replacing_a_vault_lock_before_deleting_the_old_one_unlocks_the_vault(engine: Engine) -> None:
    old = make(engine, "vault-lock", "unlocked")
    vault = old.inputs["backupVaultName"]
    engine.make(LOCK, "unlocked", backupVaultName=vault, minRetentionDays=8)
    old.delete()

    assert not engine.client("backup").describe_backup_vault(BackupVaultName=vault)["Locked"]


def test_backup_rules_have_the_default_windows_of_the_plugin(engine: Engine) -> None:
    made = engine.make(PLAN, "windows", name="windows", rules=[{"ruleName": "daily", "targetVaultName": "data"}])
    (rule,) = engine.client("backup").get_backup_plan(BackupPlanId=made.id)["BackupPlan"]["Rules"]

    assert (rule["StartWindowMinutes"], rule["CompletionWindowMinutes"]) == (60, 180)


def test_lifecycle_values_of_zero_are_not_sent(engine: Engine) -> None:
    rule = rules(30)[0] | {"lifecycle": {"coldStorageAfter": 0, "deleteAfter": 14}}
    made = engine.make(PLAN, "zero", name="zero", rules=[rule])
    (found,) = engine.client("backup").get_backup_plan(BackupPlanId=made.id)["BackupPlan"]["Rules"]

    assert found["Lifecycle"] == {"DeleteAfterDays": 14}
    assert made.changes() == {}


def test_order_of_backup_rules_makes_no_difference(engine: Engine) -> None:
    made = make(engine, "plan", "order")

    assert made.changes(name="order", rules=rules(30)[::-1], tags=made.inputs["tags"]) == {}


def test_tags_are_sent_with_the_create_call(engine: Engine) -> None:
    since = engine.calls()["next"]
    for example in ("vault", "plan"):
        make(engine, example, f"tagged-{example}")

    assert "TagResource" not in [call["operation"] for call in engine.calls(since)["calls"]]


def test_refresh_finds_a_changed_plan_and_an_update_restores_it(engine: Engine) -> None:
    made = make(engine, "plan", "drift")
    client, inputs = engine.client("backup"), dict(name="drift", rules=rules(30), tags=made.inputs["tags"])
    document = client.get_backup_plan(BackupPlanId=made.id)["BackupPlan"]
    kept = {name: value for name, value in document["Rules"][1].items() if name != "RuleId"}
    client.update_backup_plan(BackupPlanId=made.id, BackupPlan={"BackupPlanName": "drift", "Rules": [kept]})

    assert made.refresh()
    assert made.changes(**inputs).keys() == {"rules"}
    made.update(**inputs)
    assert made.changes(**inputs) == {}
    assert len(client.get_backup_plan(BackupPlanId=made.id)["BackupPlan"]["Rules"]) == 2


def test_refresh_finds_a_removed_lock(engine: Engine) -> None:
    made = make(engine, "vault-lock", "lifted")
    engine.client("backup").delete_backup_vault_lock_configuration(BackupVaultName=made.id)

    assert not made.refresh()


def test_refresh_finds_a_detached_policy(engine: Engine) -> None:
    made = make(engine, "attachment", "detached")
    engine.client("iam").detach_role_policy(RoleName=made.inputs["role"], PolicyArn=MANAGED)

    assert not made.refresh()


def test_refresh_removes_a_selection_of_a_deleted_plan(engine: Engine) -> None:
    made = make(engine, "selection", "orphan")
    client, plan = engine.client("backup"), made.inputs["planId"]
    client.delete_backup_selection(BackupPlanId=plan, SelectionId=made.id)
    client.delete_backup_plan(BackupPlanId=plan)

    assert not made.refresh()
    made.delete()


def test_backup_selection_is_imported_by_plan_id_and_selection_id(engine: Engine) -> None:
    made = make(engine, "selection", "imported")
    found = engine.read(SELECTION, f"{made.inputs['planId']}|{made.id}")

    assert found.id == made.id
    assert from_struct(found.inputs)["selectionTags"] == made.inputs["selectionTags"]


@pytest.mark.parametrize(
    ("token", "id"),
    [
        (VAULT, "none"),
        (LOCK, "none"),
        (VAULT_POLICY, "none"),
        (PLAN, "none"),
        (SELECTION, "none"),
        (SELECTION, "none|none"),
        (ATTACHMENT, f"none/{MANAGED}"),
    ],
)
def test_read_of_a_missing_resource_finds_nothing(engine: Engine, token: str, id: str) -> None:
    assert engine.read(token, id).id == ""


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (VAULT, {"name": "ml.dr"}, "'ml.dr' is not 2 to 50 letters, digits, _ and -"),
        (VAULT, {"kmsKeyArn": "alias/ml-dr"}, "'alias/ml-dr' is not the ARN of a key"),
        (LOCK, {"backupVaultName": "data", "changeableForDays": 2}, "2 is not between 3 and 36500"),
        (PLAN, {"rules": [{"ruleName": "daily"}]}, "targetVaultName is required and not set"),
        (ATTACHMENT, {"role": "backup", "policyArn": "AdministratorAccess-of-ours"}, "is not the ARN of a policy"),
        (
            PLAN,
            {"rules": [{"ruleName": "daily", "targetVaultName": "data"}], "advancedBackupSettings": []},
            "not carried by the sandbox: aws:backup/plan:Plan.advancedBackupSettings",
        ),
    ],
)
def test_invalid_input_is_refused_before_any_call(
    engine: Engine, token: str, inputs: dict[str, object], reason: str
) -> None:
    failures = engine.check(token, "wrong", inputs).failures

    assert reason in " ".join(failure.reason for failure in failures)


def test_schedule_refused_by_aws_is_reported_with_its_error(engine: Engine) -> None:
    rule = {"ruleName": "daily", "targetVaultName": "data", "schedule": "0 2 * * *"}
    with pytest.raises(grpc.RpcError, match="Invalid schedule expression"):
        engine.make(PLAN, "five-fields", name="five-fields", rules=[rule])


def test_vault_with_a_key_is_read_back_with_its_key(engine: Engine) -> None:
    key = engine.make(KEY, "vault-key", region="us-west-2").state["arn"]
    made = engine.make(VAULT, "west", name="west", kmsKeyArn=key, region="us-west-2")

    assert made.state["arn"] == "arn:aws:backup:us-west-2:123456789012:backup-vault:west"
    assert (made.state["kmsKeyArn"], made.state["recoveryPoints"]) == (key, 0)


def test_backup_selection_is_retried_until_its_role_exists(engine: Engine) -> None:
    """Other services see IAM changes with a delay, so the plugin retries."""
    plan = engine.make(PLAN, "late", name="late", rules=rules(30)).id
    role, trusted = "arn:aws:iam::123456789012:role/late", trust("backup.amazonaws.com")
    later = threading.Timer(0.5, lambda: engine.make(ROLE, "late", name="late", assumeRolePolicy=trusted))
    later.start()
    made = engine.make(SELECTION, "late", planId=plan, iamRoleArn=role, name="tagged", resources=["*"])
    later.join()

    assert made.id
