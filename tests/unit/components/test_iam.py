import json
from typing import Any

import pytest

from components.iam import (
    BACKUP_POLICIES,
    EncryptedBucket,
    keep_recovery_points,
    replicate_both_ways,
    tls_only,
    trust_service,
)

ONE = EncryptedBucket("one", "us-east-1", "arn:aws:kms:us-east-1:123456789012:key/1")
OTHER = EncryptedBucket("other", "us-west-2", "arn:aws:kms:us-west-2:123456789012:key/2")


def statements(locked: bool = False) -> dict[str, dict[str, Any]]:
    document = json.loads(replicate_both_ways(ONE, OTHER, locked))
    return {statement["Sid"]: statement for statement in document["Statement"]}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_replication_reads_versions_by_the_action_that_s3_uses() -> None:
    actions = statements()["ReadVersions"]["Action"]

    assert "s3:GetObjectVersionForReplication" in actions
    assert "s3:GetObjectVersion" not in actions


def test_policies_contain_no_wildcard_action() -> None:
    assert not [action for each in statements().values() for action in listed(each["Action"]) if "*" in action]


def test_replication_is_limited_to_both_buckets_and_keys() -> None:
    allowed = {ONE.arn, OTHER.arn, f"{ONE.arn}/*", f"{OTHER.arn}/*", ONE.key_arn, OTHER.key_arn}
    named = {resource for each in statements().values() for resource in listed(each["Resource"])}

    assert named == allowed


@pytest.mark.parametrize(("sid", "bucket"), [("DecryptInuseast1", ONE), ("EncryptInuswest2", OTHER)])
def test_a_key_may_be_used_only_through_s3_for_its_bucket(sid: str, bucket: EncryptedBucket) -> None:
    conditions = statements()[sid]["Condition"]

    assert conditions["StringEquals"] == {"kms:ViaService": f"s3.{bucket.region}.amazonaws.com"}
    # The bucket's ARN with a bucket key, an object's ARN without.
    context = [bucket.arn, f"{bucket.arn}/*"]
    assert conditions["StringLike"] == {"kms:EncryptionContext:aws:s3:arn": context}


def test_retention_is_read_only_with_object_lock() -> None:
    assert "s3:GetObjectRetention" not in statements()["ReadVersions"]["Action"]
    assert "s3:GetObjectRetention" in statements(locked=True)["ReadVersions"]["Action"]


def test_the_replication_policy_fits_the_size_limit_of_a_role() -> None:
    assert len(replicate_both_ways(ONE, OTHER, True)) < 10_240


def test_requests_without_tls_are_denied_for_the_bucket_and_its_objects() -> None:
    (statement,) = json.loads(tls_only("one"))["Statement"]

    assert statement["Effect"] == "Deny"
    assert statement["Resource"] == ["arn:aws:s3:::one", "arn:aws:s3:::one/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_only_the_service_may_assume_the_role() -> None:
    (statement,) = json.loads(trust_service("s3.amazonaws.com"))["Statement"]

    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}


def test_deleting_recovery_points_is_denied_to_everyone_except_admins() -> None:
    admins = ["arn:aws:iam::123456789012:role/b", "arn:aws:iam::123456789012:role/a"]
    (statement,) = json.loads(keep_recovery_points(admins))["Statement"]

    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert "backup:DeleteRecoveryPoint" in statement["Action"]
    assert statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"] == sorted(admins)


def test_without_an_admin_no_principal_may_delete_recovery_points_and_the_policy_can_be_changed() -> None:
    (statement,) = json.loads(keep_recovery_points([]))["Statement"]

    assert statement["Action"] == ["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"]
    assert "Condition" not in statement


def test_a_vault_policy_names_each_action_because_aws_backup_accepts_no_wildcard() -> None:
    (statement,) = json.loads(keep_recovery_points(["arn:aws:iam::123456789012:role/a"]))["Statement"]

    assert not [action for action in statement["Action"] if "*" in action]


def test_backup_roles_use_aws_managed_policies() -> None:
    assert all(arn.startswith("arn:aws:iam::aws:policy/") for arn in BACKUP_POLICIES.values())
    assert all("AWSBackupServiceRolePolicyFor" in arn for arn in BACKUP_POLICIES.values())
