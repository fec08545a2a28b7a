import json
from typing import Any

from components.data.backfill_role import BackfillRole, BackfillRoleArgs
from tests.support.mocks import Cloud, deploy

KEY = "arn:aws:kms:us-east-1:123456789012:key/one"


def role(**changes: Any) -> Cloud:
    values = {"prefix": "ml-dr", "buckets": ["one", "other"], "reports": [("control", "us-east-1", KEY)], **changes}
    return deploy(lambda: BackfillRole("backfill", BackfillRoleArgs(**values)))


def statements() -> dict[str, dict[str, Any]]:
    policy = json.loads(role().one("RolePolicy", "backfill-policy")["policy"])
    return {each["Sid"]: each for each in policy["Statement"]}


def test_only_batch_operations_assumes_the_role() -> None:
    made = role().one("Role", "backfill-role")

    statement = json.loads(made["assumeRolePolicy"])["Statement"]
    assert [each["Principal"] for each in statement] == [{"Service": "batchoperations.s3.amazonaws.com"}]


def test_dr_knows_the_name_of_the_role() -> None:
    assert role().one("Role", "backfill-role")["name"] == "ml-dr-backfill"


def test_role_starts_the_replication_of_the_named_buckets_only() -> None:
    found = statements()

    assert found["Replicate"]["Resource"] == ["arn:aws:s3:::one/*", "arn:aws:s3:::other/*"]
    assert found["GenerateManifest"]["Resource"] == ["arn:aws:s3:::one", "arn:aws:s3:::other"]


def test_role_reads_and_writes_no_objects_but_reports() -> None:
    found = statements()

    actions = [action for each in found.values() for action in _list(each["Action"])]
    assert sorted(actions) == [
        *("kms:GenerateDataKey", "s3:GetReplicationConfiguration", "s3:InitiateReplication"),
        *("s3:PutInventoryConfiguration", "s3:PutObject"),
    ]
    assert found["WriteReports"]["Resource"] == ["arn:aws:s3:::control/backfill/*"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
