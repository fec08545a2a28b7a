import json
from typing import Any

import pytest

from components.data.backup_plan import BackupPlan, BackupPlanArgs
from components.data.backup_rules import BackupRule, VaultLock
from dr.topology.air_gap import AirGap
from dr.topology.backups import DataClass
from tests.support.mocks import Cloud, deploy

COPIES = "arn:aws:backup:us-west-2:123456789012:backup-vault:ml-dr"


def args(**changes: object) -> BackupPlanArgs:
    values = {"name": "ml-dr", "region": "us-east-1", "vault_name": "ml-dr", "copy_to": COPIES, **changes}
    return BackupPlanArgs(**values)  # type: ignore[arg-type]


def plan(**changes: object) -> Cloud:
    return deploy(lambda: BackupPlan("backup", args(**changes)))


def rules(**changes: object) -> list[dict[str, Any]]:
    return list(plan(**changes).one("Plan", "backup-plan")["rules"])


def test_a_plan_backs_up_daily_and_copies_to_the_other_region() -> None:
    (rule,) = rules()

    assert (rule["targetVaultName"], rule["schedule"]) == ("ml-dr", "cron(0 2 * * ? *)")
    assert rule["scheduleExpressionTimezone"] == "Etc/UTC"
    assert rule["lifecycle"] == {"deleteAfter": 30}
    assert rule["copyActions"] == [{"destinationVaultArn": COPIES, "lifecycle": {"deleteAfter": 30}}]


def test_start_and_completion_windows_are_explicit_because_plugin_defaults_differ_from_aws() -> None:
    (rule,) = rules()

    assert (rule["startWindow"], rule["completionWindow"]) == (60, 7 * 24 * 60)


def test_each_rule_has_its_own_schedule_and_retention() -> None:
    daily, hourly = rules(rules=[BackupRule("daily", retention_days=35, copy_retention_days=90), HOURLY])

    assert daily["lifecycle"] == {"deleteAfter": 35}
    assert daily["copyActions"][0]["lifecycle"] == {"deleteAfter": 90}
    assert hourly["schedule"] == "cron(0 * * * ? *)"
    assert hourly["copyActions"][0]["lifecycle"] == {"deleteAfter": 2}


HOURLY = BackupRule("hourly", "cron(0 * * * ? *)", retention_days=2)


def test_a_rule_with_cold_storage_moves_the_backup_and_its_copy_and_opts_in_to_the_archive_of_ebs() -> None:
    (rule,) = rules(rules=[BackupRule("archive", retention_days=365, cold_days=30, complete_hours=24)])

    moved = {"deleteAfter": 365, "coldStorageAfter": 30, "optInToArchiveForSupportedResources": True}
    assert rule["lifecycle"] == rule["copyActions"][0]["lifecycle"] == moved
    assert rule["completionWindow"] == 24 * 60


def test_plan_selects_only_the_types_of_its_classes() -> None:
    selected = plan(classes=[DataClass.VOLUMES]).one("Selection", "backup-selection")

    assert selected["resources"] == ["arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:instance/*"]


def test_plan_with_the_role_of_another_plan_creates_none() -> None:
    role = "arn:aws:iam::123456789012:role/backup"
    cloud = plan(role_arn=role)

    assert not cloud.of("Role")
    assert cloud.one("Selection", "backup-selection")["iamRoleArn"] == role


ISOLATED = "arn:aws:backup:us-west-2:123456789012:backup-vault:isolated"


def test_plan_copies_to_an_air_gapped_vault_as_well_without_cold_storage() -> None:
    archive = BackupRule("archive", retention_days=365, cold_days=30, air_gapped_days=35)
    (rule,) = rules(rules=[archive], air_gapped_to=ISOLATED, classes=[DataClass.OBJECTS])

    assert [each["destinationVaultArn"] for each in rule["copyActions"]] == [COPIES, ISOLATED]
    assert rule["copyActions"][1]["lifecycle"] == {"deleteAfter": 35}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": [DataClass.OBJECTS, DataClass.DATABASES]}, "would copy databases to a logically air-gapped vault"),
        ({"air_gap": AirGap(min_days=31)}, "keeps its air-gapped copy for 30 days, but the vault accepts 31 to 365"),
        ({"air_gap": AirGap(max_days=29)}, "the vault accepts 7 to 29"),
        ({"air_gapped_to": ISOLATED.replace("us-west-2", "us-east-1")}, "would copy to its own region"),
        ({"air_gapped_to": "isolated"}, "air_gapped_to 'isolated' is not the ARN of a backup vault"),
    ],
)
def test_air_gapped_copy_that_aws_would_fail_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**{"air_gapped_to": ISOLATED, "classes": [DataClass.OBJECTS], **changes})


def test_plan_without_copy_to_has_no_copy_actions() -> None:
    (rule,) = rules(copy_to=None)

    assert rule["copyActions"] == []


def test_the_selection_names_resource_types_and_filters_them_by_the_backup_tag() -> None:
    selection = plan().one("Selection", "backup-selection")

    assert "arn:aws:s3:::*" in selection["resources"]
    assert len(selection["resources"]) <= 30
    condition = {"stringEquals": [{"key": "aws:ResourceTag/backup", "value": "enabled"}]}
    assert selection["conditions"] == [condition]
    assert "selectionTags" not in selection
    assert selection["planId"] == "id-of-backup-plan"
    assert selection["iamRoleArn"].startswith("arn:aws:iam::123456789012:role/backup-role")


def test_replicas_are_selected_only_while_they_are_written_to() -> None:
    assert plan().of("Selection").keys() == {"backup-selection"}
    (condition,) = plan(replicas=True).one("Selection", "backup-replicas")["conditions"]
    assert condition == {"stringEquals": [{"key": "aws:ResourceTag/backup", "value": "replica"}]}


def test_existing_buckets_are_selected_without_a_tag() -> None:
    adopted = plan(adopted=["arn:aws:s3:::theirs"]).one("Selection", "backup-adopted")

    assert adopted["resources"] == ["arn:aws:s3:::theirs"]
    assert "conditions" not in adopted


def test_only_aws_backup_may_assume_the_role_which_can_back_up_and_restore() -> None:
    cloud = plan()
    (trusted,) = json.loads(cloud.one("Role", "backup-role")["assumeRolePolicy"])["Statement"]
    attached = [each.inputs for each in cloud.of("RolePolicyAttachment").values()]

    assert trusted["Principal"] == {"Service": "backup.amazonaws.com"}
    assert {each["policyArn"] for each in attached} == {
        "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
        "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
        "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup",
        "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
    }
    assert {each["role"] for each in attached} == {"backup-role-0a1b2c3"}


def test_paused_plan_creates_only_its_role() -> None:
    types = {made.type.rpartition(":")[2] for made in plan(running=False).resources}

    assert types == {"Role", "RolePolicyAttachment"}


def test_changing_running_does_not_change_the_role() -> None:
    def role(cloud: Cloud) -> dict[str, Any]:
        return {made.name: made.inputs for made in cloud.resources if "iam" in made.type}

    assert role(plan(running=False)) == role(plan())


def test_regional_resources_are_in_the_plans_region() -> None:
    made = [each.inputs["region"] for each in plan(region="eu-west-1").resources if "region" in each.inputs]

    assert made == ["eu-west-1", "eu-west-1"]


def test_the_plan_and_its_role_have_tags() -> None:
    cloud = plan(tags={"owner": "ml"})

    assert cloud.one("Plan", "backup-plan")["tags"] == {"owner": "ml"}
    assert cloud.one("Role", "backup-role")["tags"] == {"owner": "ml"}


@pytest.mark.parametrize(("running", "plan_id"), [(True, "id-of-backup-plan"), (False, None)])
def test_outputs_are_the_role_and_the_id_of_a_running_plan(running: bool, plan_id: str | None) -> None:
    outputs: dict[str, str | None] = {}

    def build() -> None:
        made = BackupPlan("backup", args(running=running))
        made.plan_id.apply(lambda plan_id: outputs.update(plan=plan_id))
        made.role_arn.apply(lambda arn: outputs.update(role=arn))

    deploy(build)

    assert outputs == {"plan": plan_id, "role": "arn:aws:iam::123456789012:role/backup-role-0a1b2c3"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"copy_to": COPIES.replace("us-west-2", "us-east-1")}, "would copy to its own region, us-east-1"),
        ({"copy_to": "ml-dr"}, "copy_to 'ml-dr' is not the ARN of a backup vault"),
        ({"name": "ml dr"}, "backup plan name 'ml dr' is not valid"),
        ({"rules": ()}, r"has rules \[\]: at least one is required"),
        ({"rules": (HOURLY, HOURLY)}, "their names must be unique"),
        (
            {"copy_to": None, "rules": [BackupRule(copy_retention_days=90)]},
            "copy_retention_days to 90, but plan ml-dr makes no copies",
        ),
        ({"vault_lock": VaultLock(60)}, "a retention of 30 days, but the vault's lock allows 60 or more"),
        ({"copy_lock": VaultLock(1, 14)}, "a retention of 30 days, but the vault's lock allows 1 to 14"),
    ],
)
def test_invalid_plan_arguments_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**changes)


def test_a_plan_without_copies_ignores_the_lock_of_the_copy_vault() -> None:
    assert args(copy_to=None, copy_lock=VaultLock(60)).copy_to is None
