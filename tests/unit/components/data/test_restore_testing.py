import pytest

from components.data.restore_testing import RestoreTesting, RestoreTestingArgs
from tests.support.mocks import Cloud, deploy

COPIES = "arn:aws:backup:us-west-2:123456789012:backup-vault:ml-dr-backups"
SUPPORTED = {"Aurora", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "FSx", "Neptune", "RDS", "S3"}
"""AWS Backup API reference, RestoreTestingSelectionForCreate."""


def args(**changes: object) -> RestoreTestingArgs:
    values = {"name": "ml_dr", "region": "us-west-2", "vault_arns": [COPIES], "schedule": "cron(0 6 1 * ? *)"}
    return RestoreTestingArgs(**{**values, **changes})  # type: ignore[arg-type]


def deployed(**changes: object) -> Cloud:
    return deploy(lambda: RestoreTesting("restore-tests", args(**changes)))


def test_plan_restores_the_newest_snapshot_of_the_last_week_from_its_vaults() -> None:
    plan = deployed(tags={"owner": "ml"}).one("RestoreTestingPlan", "restore-tests-plan")

    assert (plan["name"], plan["region"], plan["scheduleExpression"]) == ("ml_dr", "us-west-2", "cron(0 6 1 * ? *)")
    assert plan["recoveryPointSelection"] == {
        "algorithm": "LATEST_WITHIN_WINDOW",
        "includeVaults": [COPIES],
        "recoveryPointTypes": ["SNAPSHOT"],
        "selectionWindowDays": 7,
    }
    assert plan["tags"] == {"owner": "ml"}


def test_each_selection_is_of_a_type_that_restore_testing_supports_and_restores_all_its_resources() -> None:
    selections = [made.inputs for made in deployed().of("RestoreTestingSelection").values()]
    types = {each["protectedResourceType"] for each in selections}

    assert types == {"S3", "EBS", "EFS", "DynamoDB"}
    assert types <= SUPPORTED
    assert all(each["protectedResourceArns"] == ["*"] for each in selections)
    assert {each["validationWindowHours"] for each in selections} == {4}


def test_aurora_clusters_are_tested_where_the_configuration_has_subnets_for_them() -> None:
    where = {"dbSubnetGroupName": "data", "vpcSecurityGroupIds": '["sg-1"]'}
    made = deployed(clusters_to=where).one("RestoreTestingSelection", "restore-tests-aurora")

    assert (made["protectedResourceType"], made["restoreMetadataOverrides"]) == ("Aurora", where)


def test_role_may_restore_and_not_back_up() -> None:
    cloud = deployed()
    attached = {each.inputs["policyArn"] for each in cloud.of("RolePolicyAttachment").values()}

    assert attached == {
        "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
        "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "ml-dr"}, "restore testing plan name 'ml-dr' is not valid"),
        ({"validation_hours": 0}, "AWS Backup accepts 1 to 168"),
        ({"validation_hours": 169}, "AWS Backup accepts 1 to 168"),
    ],
)
def test_invalid_arguments_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**changes)
