"""Restore testing plans of AWS Backup in the emulator."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import make_role, refusal
from tests.support.buckets import RECOVERY

POINTS = {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"], "RecoveryPointTypes": ["SNAPSHOT"]}
OF = {"RestoreTestingPlanName": "copies"}


@pytest.fixture
def backup(aws: Running) -> Any:
    return aws.client("backup", RECOVERY)


@pytest.fixture
def plan(backup: Any) -> str:
    document = {**OF, "RecoveryPointSelection": POINTS, "ScheduleExpression": "cron(0 6 1 * ? *)"}
    return str(backup.create_restore_testing_plan(RestoreTestingPlan=document)["RestoreTestingPlanArn"])


@pytest.fixture
def role(aws: Running) -> str:
    return make_role(aws, "restore", "backup.amazonaws.com")


def selection(role: str, **changes: Any) -> dict[str, Any]:
    all_of_s3 = {"ProtectedResourceType": "S3", "ProtectedResourceArns": ["*"]}
    return {"RestoreTestingSelectionName": "s3", "IamRoleArn": role, **all_of_s3, **changes}


def test_plan_has_the_defaults_of_aws_and_keeps_what_an_update_leaves_out(backup: Any, plan: str) -> None:
    made = backup.get_restore_testing_plan(**OF)["RestoreTestingPlan"]
    assert (made["StartWindowHours"], made["RecoveryPointSelection"]["SelectionWindowDays"]) == (24, 30)

    changed = {"ScheduleExpression": "cron(0 6 ? * SUN *)"}
    backup.update_restore_testing_plan(**OF, RestoreTestingPlan=changed)
    after = backup.get_restore_testing_plan(**OF)["RestoreTestingPlan"]
    assert after["ScheduleExpression"] == "cron(0 6 ? * SUN *)"
    assert after["RecoveryPointSelection"] == made["RecoveryPointSelection"]
    assert after["RestoreTestingPlanArn"] == plan


@pytest.mark.usefixtures("plan")
def test_plan_with_a_selection_is_not_deleted(backup: Any, role: str) -> None:
    backup.create_restore_testing_selection(**OF, RestoreTestingSelection=selection(role))
    assert refusal(lambda: backup.delete_restore_testing_plan(**OF))[0] == "InvalidRequestException"

    backup.delete_restore_testing_selection(**OF, RestoreTestingSelectionName="s3")
    backup.delete_restore_testing_plan(**OF)
    assert backup.list_restore_testing_plans()["RestoreTestingPlans"] == []


@pytest.mark.usefixtures("plan")
@pytest.mark.parametrize(
    "changes",
    [
        {"ProtectedResourceType": "EKS"},
        {"RestoreTestingSelectionName": "all-buckets"},
        {"ProtectedResourceConditions": {"StringEquals": [{"Key": "aws:ResourceTag/backup", "Value": "enabled"}]}},
    ],
    ids=["type", "name", "arns-and-conditions"],
)
def test_selection_that_aws_rejects_is_refused(backup: Any, role: str, changes: dict[str, Any]) -> None:
    wanted = selection(role, **changes)
    code, _ = refusal(lambda: backup.create_restore_testing_selection(**OF, RestoreTestingSelection=wanted))

    assert code == "InvalidParameterValueException"


@pytest.mark.usefixtures("plan")
def test_selection_of_a_role_that_aws_backup_cannot_assume_is_refused(aws: Running, backup: Any) -> None:
    wanted = selection(make_role(aws, "other", "ec2.amazonaws.com"))
    code, message = refusal(lambda: backup.create_restore_testing_selection(**OF, RestoreTestingSelection=wanted))

    assert (code, "cannot be assumed by AWS Backup" in message) == ("InvalidParameterValueException", True)
