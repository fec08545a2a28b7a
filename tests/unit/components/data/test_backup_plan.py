import json
from typing import Any

import pytest

from components.data.backup_plan import BackupPlan, BackupPlanArgs
from components.data.backup_rules import BackupRule, VaultLock
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


def test_windows_are_stated_since_the_plugins_defaults_are_not_those_of_aws() -> None:
    (rule,) = rules()

    assert (rule["startWindow"], rule["completionWindow"]) == (60, 7 * 24 * 60)


def test_each_rule_has_its_schedule_and_its_retentions() -> None:
    daily, hourly = rules(rules=[BackupRule("daily", retention_days=35, copy_retention_days=90), HOURLY])

    assert daily["lifecycle"] == {"deleteAfter": 35}
    assert daily["copyActions"][0]["lifecycle"] == {"deleteAfter": 90}
    assert hourly["schedule"] == "cron(0 * * * ? *)"
    assert hourly["copyActions"][0]["lifecycle"] == {"deleteAfter": 2}


HOURLY = BackupRule("hourly", "cron(0 * * * ? *)", retention_days=2)


def test_a_plan_without_a_target_copies_nothing() -> None:
    (rule,) = rules(copy_to=None)

    assert rule["copyActions"] == []


def test_everything_that_is_tagged_is_selected() -> None:
    selection = plan().one("Selection", "backup-selection")

    assert selection["selectionTags"] == [{"type": "STRINGEQUALS", "key": "backup", "value": "enabled"}]
    assert selection["planId"] == "id-of-backup-plan"
    assert selection["iamRoleArn"].startswith("arn:aws:iam::123456789012:role/backup-role")


def test_the_role_is_for_aws_backup_alone_and_can_back_up_and_restore() -> None:
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


def test_a_plan_that_does_not_run_has_its_role_already() -> None:
    types = {made.type.rpartition(":")[2] for made in plan(running=False).made}

    assert types == {"Role", "RolePolicyAttachment"}


def test_a_change_of_running_leaves_the_role_as_it_is() -> None:
    def role(cloud: Cloud) -> dict[str, Any]:
        return {made.name: made.inputs for made in cloud.made if "iam" in made.type}

    assert role(plan(running=False)) == role(plan())


def test_everything_regional_is_in_the_plans_region() -> None:
    made = [each.inputs["region"] for each in plan(region="eu-west-1").made if "region" in each.inputs]

    assert made == ["eu-west-1", "eu-west-1"]


def test_plan_and_role_are_tagged() -> None:
    cloud = plan(tags={"owner": "ml"})

    assert cloud.one("Plan", "backup-plan")["tags"] == {"owner": "ml"}
    assert cloud.one("Role", "backup-role")["tags"] == {"owner": "ml"}


@pytest.mark.parametrize(("running", "plan_id"), [(True, "id-of-backup-plan"), (False, None)])
def test_outputs_are_the_plan_while_it_runs_and_the_role(running: bool, plan_id: str | None) -> None:
    seen: dict[str, str | None] = {}

    def build() -> None:
        made = BackupPlan("backup", args(running=running))
        made.plan_id.apply(lambda known: seen.update(plan=known))
        made.role_arn.apply(lambda known: seen.update(role=known))

    deploy(build)

    assert seen == {"plan": plan_id, "role": "arn:aws:iam::123456789012:role/backup-role-0a1b2c3"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"copy_to": COPIES.replace("us-west-2", "us-east-1")}, "from us-east-1 to us-east-1, and both would be lost"),
        ({"copy_to": "ml-dr"}, "copies to 'ml-dr', which is no vault's ARN"),
        ({"name": "ml dr"}, "rename it"),
        ({"rules": ()}, r"has the rules \[\], and needs one or more"),
        ({"rules": (HOURLY, HOURLY)}, "each of another name"),
        ({"copy_to": None, "rules": [BackupRule(copy_retention_days=90)]}, "keeps copies for 90 days, and plan ml-dr"),
        ({"vault_lock": VaultLock(60)}, "keeps for 30 days, and the vault's lock takes 60 or more"),
        ({"copy_lock": VaultLock(1, 14)}, "keeps for 30 days, and the vault's lock takes 1 to 14"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**changes)


def test_the_lock_of_copies_is_no_concern_of_a_plan_that_makes_none() -> None:
    assert args(copy_to=None, copy_lock=VaultLock(60)).copy_to is None
