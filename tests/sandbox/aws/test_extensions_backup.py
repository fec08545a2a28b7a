from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.backup.models import backup_backends

from sandbox.aws.behaviours import recovery_points
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

COPIES = "arn:aws:backup:us-east-1:123456789012:backup-vault:copies"


@pytest.fixture
def backup(aws: Running) -> Any:
    return aws.client("backup", RECOVERY)


@pytest.fixture
def vault(backup: Any) -> str:
    return str(backup.create_backup_vault(BackupVaultName="data")["BackupVaultName"])


@pytest.fixture
def plan(backup: Any) -> str:
    return str(backup.create_backup_plan(BackupPlan=document())["BackupPlanId"])


@pytest.fixture
def role(aws: Running) -> str:
    return make_role(aws, "backup", "backup.amazonaws.com")


def make_role(aws: Running, name: str, service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = aws.client("iam", PRIMARY)
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"])


def document(days: int = 30, **rule: Any) -> dict[str, Any]:
    lifecycle = {"DeleteAfterDays": days}
    copies = [{"DestinationBackupVaultArn": COPIES, "Lifecycle": lifecycle}]
    daily = {"RuleName": "daily", "TargetBackupVaultName": "data", "Lifecycle": lifecycle, "CopyActions": copies}
    return {"BackupPlanName": "ml-dr", "Rules": [daily | rule]}


def selection(role: str, **changes: Any) -> dict[str, Any]:
    tag = {"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "enabled"}
    return {"SelectionName": "tagged", "IamRoleArn": role, "ListOfTags": [tag], **changes}


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# Plans -----------------------------------------------------------------------------------------------------------


def test_an_update_is_a_new_version_of_the_same_plan(backup: Any, plan: str) -> None:
    before = backup.get_backup_plan(BackupPlanId=plan)
    updated = backup.update_backup_plan(BackupPlanId=plan, BackupPlan=document(days=60))
    after = backup.get_backup_plan(BackupPlanId=plan)

    assert updated["BackupPlanArn"] == before["BackupPlanArn"]
    assert updated["VersionId"] == after["VersionId"] != before["VersionId"]
    (old,), (new,) = before["BackupPlan"]["Rules"], after["BackupPlan"]["Rules"]
    assert (old["Lifecycle"], new["Lifecycle"]) == ({"DeleteAfterDays": 30}, {"DeleteAfterDays": 60})
    assert new["RuleId"] == old["RuleId"]
    assert new["StartWindowMinutes"] == 480  # AWS's default


def test_an_update_of_a_plan_keeps_its_selections(backup: Any, plan: str, role: str) -> None:
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role))
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan=document(days=60))

    assert len(backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]) == 1


def test_an_unknown_plan_cannot_be_updated(backup: Any) -> None:
    code, _ = refusal(lambda: backup.update_backup_plan(BackupPlanId="none", BackupPlan=document()))

    assert code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"ScheduleExpression": "0 2 * * *"}, "Error in rule daily : Invalid schedule expression 0 2 * * *"),
        ({"ScheduleExpression": "cron(0 2 * * *)"}, "Invalid schedule expression"),
        ({"StartWindowMinutes": 30}, "StartWindowMinutes cannot be less than 60"),
        ({"Lifecycle": {"DeleteAfterDays": 0}}, "DeleteAfterDays cannot be less than 1 or more than 36500 days"),
        (
            {"Lifecycle": {"DeleteAfterDays": 100, "MoveToColdStorageAfterDays": 30}},
            "DeleteAfterDays cannot be less than 90 days apart from MoveToColdStorageAfterDays",
        ),
        (
            {"CopyActions": [{"DestinationBackupVaultArn": COPIES, "Lifecycle": {"DeleteAfterDays": 36_501}}]},
            "Invalid lifecycle",
        ),
    ],
)
def test_an_invalid_rule_is_refused_at_creation_and_update(
    backup: Any, plan: str, rule: dict[str, Any], message: str
) -> None:
    wrong = document(**rule)
    for call in (
        lambda: backup.create_backup_plan(BackupPlan={**wrong, "BackupPlanName": "another"}),
        lambda: backup.update_backup_plan(BackupPlanId=plan, BackupPlan=wrong),
    ):
        code, said = refusal(call)
        assert code == "InvalidParameterValueException"
        assert message in said


def test_a_plan_name_of_more_than_50_characters_is_refused(backup: Any) -> None:
    long = {**document(), "BackupPlanName": "a" * 51}

    assert refusal(lambda: backup.create_backup_plan(BackupPlan=long))[0] == "InvalidParameterValueException"


def test_a_plan_is_deleted_after_its_selections_and_can_be_created_again(backup: Any, plan: str, role: str) -> None:
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role))["SelectionId"]
    assert refusal(lambda: backup.delete_backup_plan(BackupPlanId=plan)) == (
        "InvalidRequestException",
        "Related backup plan selections must be deleted prior to backup plan deletion",
    )
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=made)
    assert backup.delete_backup_plan(BackupPlanId=plan)["DeletionDate"]

    assert backup.list_backup_plans()["BackupPlansList"] == []
    again = backup.create_backup_plan(BackupPlan=document())["BackupPlanId"]
    assert again != plan


# Selections ------------------------------------------------------------------------------------------------------


def test_a_selection_is_read_back_as_written(backup: Any, plan: str, role: str) -> None:
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role), CreatorRequestId="once")
    found = backup.get_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])

    assert found["BackupSelection"] == selection(role)
    assert (found["BackupPlanId"], found["SelectionId"]) == (plan, made["SelectionId"])
    assert found["CreationDate"] == made["CreationDate"]
    (listed,) = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    assert (listed["SelectionName"], listed["IamRoleArn"], listed["CreatorRequestId"]) == ("tagged", role, "once")
    assert listed["SelectionId"] == made["SelectionId"]


def test_deleted_selection_is_not_found(backup: Any, plan: str, role: str) -> None:
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role))["SelectionId"]
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=made)

    for call in (backup.get_backup_selection, backup.delete_backup_selection):
        assert refusal(partial(call, BackupPlanId=plan, SelectionId=made))[0] == "ResourceNotFoundException"


def test_a_selection_of_an_unknown_plan_is_refused(backup: Any, role: str) -> None:
    for call in (
        lambda: backup.create_backup_selection(BackupPlanId="none", BackupSelection=selection(role)),
        lambda: backup.get_backup_selection(BackupPlanId="none", SelectionId="none"),
    ):
        assert refusal(call) == ("InvalidParameterValueException", "Cannot find Backup plan with ID none")
    code, _ = refusal(lambda: backup.list_backup_selections(BackupPlanId="none"))
    assert code == "ResourceNotFoundException"


def test_a_role_that_aws_backup_cannot_assume_is_refused(aws: Running, backup: Any, plan: str) -> None:
    others = make_role(aws, "others", "s3.amazonaws.com")
    for arn in (others, "arn:aws:iam::123456789012:role/none"):
        wrong = selection(arn)
        code, message = refusal(partial(backup.create_backup_selection, BackupPlanId=plan, BackupSelection=wrong))
        assert (code, message) == ("InvalidParameterValueException", f"IAM Role {arn} cannot be assumed by AWS Backup")


def test_a_selection_name_of_more_than_50_characters_is_refused(backup: Any, plan: str, role: str) -> None:
    long = selection(role, SelectionName="a" * 51)
    code, _ = refusal(lambda: backup.create_backup_selection(BackupPlanId=plan, BackupSelection=long))

    assert code == "InvalidParameterValueException"


# Vaults ----------------------------------------------------------------------------------------------------------


def test_a_vault_keeps_its_access_policy(backup: Any, vault: str) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    backup.put_backup_vault_access_policy(BackupVaultName=vault, Policy=policy)
    found = backup.get_backup_vault_access_policy(BackupVaultName=vault)
    assert found["Policy"] == policy
    assert found["BackupVaultArn"] == "arn:aws:backup:us-west-2:123456789012:backup-vault:data"

    backup.delete_backup_vault_access_policy(BackupVaultName=vault)
    code, _ = refusal(lambda: backup.get_backup_vault_access_policy(BackupVaultName=vault))
    assert code == "ResourceNotFoundException"


def test_a_policy_that_is_not_json_is_refused(backup: Any, vault: str) -> None:
    code, _ = refusal(lambda: backup.put_backup_vault_access_policy(BackupVaultName=vault, Policy="{"))

    assert code == "InvalidParameterValueException"


def test_a_vault_of_another_region_is_not_found(aws: Running, vault: str) -> None:
    code, _ = refusal(lambda: aws.client("backup", PRIMARY).get_backup_vault_access_policy(BackupVaultName=vault))

    assert code == "ResourceNotFoundException"


def test_a_grace_time_below_three_days_is_refused(backup: Any, vault: str) -> None:
    code, _ = refusal(lambda: backup.put_backup_vault_lock_configuration(BackupVaultName=vault, ChangeableForDays=2))

    assert code == "InvalidParameterValueException"
    assert not backup.describe_backup_vault(BackupVaultName=vault)["Locked"]


def test_a_compliance_lock_can_be_changed_and_lifted_before_its_date_only(backup: Any, vault: str) -> None:
    def lock(days: int) -> None:
        backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=days, ChangeableForDays=3)

    lock(7)
    found = backup.describe_backup_vault(BackupVaultName=vault)
    due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(3)
    assert found["Locked"]
    assert abs(found["LockDate"] - due) < datetime.timedelta(minutes=1)
    lock(8)
    backup.delete_backup_vault_lock_configuration(BackupVaultName=vault)
    assert not backup.describe_backup_vault(BackupVaultName=vault)["Locked"]

    lock(9)
    backup_backends["123456789012"][RECOVERY].vaults[vault].lock_date = 0.0  # long ago
    for call in (lambda: lock(1), lambda: backup.delete_backup_vault_lock_configuration(BackupVaultName=vault)):
        assert refusal(call)[0] == "InvalidRequestException"
    assert backup.describe_backup_vault(BackupVaultName=vault)["MinRetentionDays"] == 9


def test_a_lock_without_grace_time_has_no_lock_date(backup: Any, vault: str) -> None:
    backup.put_backup_vault_lock_configuration(BackupVaultName=vault, ChangeableForDays=3)
    backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=7)

    found = backup.describe_backup_vault(BackupVaultName=vault)
    assert found["Locked"]
    assert "LockDate" not in found


DENY = {"Effect": "Deny", "Principal": "*", "Resource": "*"}


def make_point(vault: str) -> str:
    """Put a recovery point into a vault of the recovery region."""
    found = backup_backends["123456789012"][RECOVERY].vaults[vault]
    arn = "arn:aws:backup:us-west-2:123456789012:recovery-point:1"
    about = {"BackupVaultName": vault, "BackupVaultArn": found.backup_vault_arn, "Status": "COMPLETED"}
    recovery_points.points(found).append({"RecoveryPointArn": arn, "ResourceType": "S3", **about})
    return arn


def test_no_recovery_point_of_a_locked_vault_can_be_deleted_or_changed_until_the_lock_is_removed(
    backup: Any, vault: str
) -> None:
    of = {"BackupVaultName": vault, "RecoveryPointArn": make_point(vault)}
    backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=7)
    for call in (
        lambda: backup.delete_recovery_point(**of),
        lambda: backup.update_recovery_point_lifecycle(**of, Lifecycle={"DeleteAfterDays": 1}),
    ):
        assert refusal(call)[0] == "InvalidRequestException"

    backup.delete_backup_vault_lock_configuration(BackupVaultName=vault)
    backup.delete_recovery_point(**of)
    assert backup.describe_backup_vault(BackupVaultName=vault)["NumberOfRecoveryPoints"] == 0


def test_a_denied_principal_cannot_delete_recovery_points_and_the_excepted_role_can(
    aws: Running, backup: Any, vault: str
) -> None:
    role = make_role(aws, "break-glass", "backup.amazonaws.com")
    actions = ["backup:DeleteRecoveryPoint", "backup:PutBackupVaultAccessPolicy"]
    statement = {**DENY, "Action": actions, "Condition": {"ArnNotLike": {"aws:PrincipalArn": [role]}}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    of = {"BackupVaultName": vault, "RecoveryPointArn": make_point(vault)}
    backup.put_backup_vault_access_policy(BackupVaultName=vault, Policy=policy)
    for call in (
        lambda: backup.delete_recovery_point(**of),
        lambda: backup.put_backup_vault_access_policy(BackupVaultName=vault, Policy=policy),
    ):
        code, message = refusal(call)
        assert (code, "with an explicit deny in a resource-based policy" in message) == ("AccessDeniedException", True)

    session = aws.client("sts", RECOVERY).assume_role(RoleArn=role, RoleSessionName="on-call")["Credentials"]
    admin = boto3.client(
        "backup",
        RECOVERY,
        endpoint_url=aws.endpoint,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    admin.delete_recovery_point(**of)
    assert backup.describe_backup_vault(BackupVaultName=vault)["NumberOfRecoveryPoints"] == 0


# Jobs ------------------------------------------------------------------------------------------------------------


def until(control: Callable[..., Any], hour: int) -> None:
    """Advance the clock to a minute after that hour comes next."""
    minute = datetime.timedelta(minutes=1)
    now = datetime.datetime.fromisoformat(control("GET", "clock")["now"])
    begins = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    if begins <= now <= begins + minute:
        now = datetime.datetime.fromisoformat(control("POST", "clock", {"advance": 2 * minute.seconds})["now"])
    control("POST", "clock", {"advance": (begins + minute - now).total_seconds() % 86_400})


def held(aws: Running, region: str, vault: str) -> set[str]:
    """Return the resources with recovery points in a vault."""
    listed = aws.client("backup", region).list_recovery_points_by_backup_vault(BackupVaultName=vault)
    return {each["ResourceArn"].rpartition(":")[2] for each in listed["RecoveryPoints"]}


@pytest.fixture
def buckets(aws: Running) -> None:
    s3 = aws.client("s3", RECOVERY)
    for name, value in (("one", "enabled"), ("replica", "replica"), ("other", "")):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": RECOVERY})
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "backup", "Value": value}]})


BY_ARN = {
    "ListOfTags": [],
    "Resources": ["arn:aws:s3:::*"],
    "Conditions": {"StringEquals": [{"ConditionKey": "aws:ResourceTag/backup", "ConditionValue": "enabled"}]},
}


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize(
    ("changes", "opted_in", "covered"),
    [
        (BY_ARN, False, {"one"}),
        ({}, False, set()),
        ({}, True, {"one"}),
        ({"ListOfTags": [], "Resources": ["arn:aws:s3:::other"]}, False, {"other"}),
        ({"ListOfTags": [], "Resources": ["*"]}, False, set()),
        ({**BY_ARN, "NotResources": ["arn:aws:s3:::one"]}, True, set()),
    ],
    ids=["types-and-tag", "tag-alone", "tag-alone-opted-in", "one-resource", "everything", "excluded"],
)
def test_a_backup_job_covers_what_aws_would(
    aws: Running,
    backup: Any,
    vault: str,
    plan: str,
    role: str,
    control: Callable[..., Any],
    changes: dict[str, Any],
    opted_in: bool,
    covered: set[str],
) -> None:
    backup.update_region_settings(ResourceTypeOptInPreference={"S3": opted_in})
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan=document(ScheduleExpression="cron(0 2/12 * * ? *)"))
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role, **changes))
    until(control, 14)

    assert held(aws, RECOVERY, vault) == covered
    assert backup.describe_region_settings()["ResourceTypeOptInPreference"]["S3"] is opted_in


@pytest.mark.usefixtures("buckets")
def test_a_copy_arrives_unless_its_region_is_unreachable_and_the_backup_is_kept(
    aws: Running, backup: Any, vault: str, plan: str, role: str, control: Callable[..., Any]
) -> None:
    aws.client("backup", PRIMARY).create_backup_vault(BackupVaultName="copies")
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan=document(ScheduleExpression="cron(0 2/12 * * ? *)"))
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role, **BY_ARN))
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    until(control, 2)
    control("DELETE", "faults")
    assert (held(aws, RECOVERY, vault), held(aws, PRIMARY, "copies")) == ({"one"}, set())
    until(control, 14)

    assert held(aws, PRIMARY, "copies") == {"one"}
    assert refusal(lambda: backup.delete_backup_vault(BackupVaultName=vault))[0] == "InvalidRequestException"


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize(("least", "kept"), [(30, {"one"}), (31, set())])
def test_a_locked_vault_gets_no_recovery_point_with_a_shorter_retention(
    aws: Running,
    backup: Any,
    vault: str,
    plan: str,
    role: str,
    control: Callable[..., Any],
    least: int,
    kept: set[str],
) -> None:
    backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=least)
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan=document(ScheduleExpression="cron(0 2/12 * * ? *)"))
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role, **BY_ARN))
    until(control, 14)

    assert held(aws, RECOVERY, vault) == kept


@pytest.mark.usefixtures("buckets")
def test_of_two_rules_that_start_together_the_one_with_the_longer_retention_runs_and_a_monthly_one_on_its_day_only(
    aws: Running, backup: Any, vault: str, plan: str, role: str, control: Callable[..., Any]
) -> None:
    now = datetime.datetime.fromisoformat(control("GET", "clock")["now"])
    day = (now + datetime.timedelta(hours=22)).day  # of the next 02:00
    daily, monthly = (
        document(days, RuleName=name, ScheduleExpression=schedule, CopyActions=[])["Rules"][0]
        for name, schedule, days in (("daily", "cron(0 2 * * ? *)", 7), ("monthly", f"cron(0 2 {day} * ? *)", 365))
    )
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan={"BackupPlanName": "ml-dr", "Rules": [daily, monthly]})
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role, **BY_ARN))
    until(control, 2)
    until(control, 1)
    until(control, 2)

    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]
    assert [each["Lifecycle"]["DeleteAfterDays"] for each in listed] == [365, 7]


def test_a_selection_of_more_than_30_arns_with_wildcards_is_refused(backup: Any, plan: str, role: str) -> None:
    many = selection(role, ListOfTags=[], Resources=[f"arn:aws:s3:::{number}*" for number in range(31)])
    call = partial(backup.create_backup_selection, BackupPlanId=plan, BackupSelection=many)

    assert refusal(call)[0] == "InvalidParameterValueException"
