from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY


@pytest.fixture
def kms(aws: Running) -> Any:
    return aws.client("kms", RECOVERY)


@pytest.fixture
def key(kms: Any) -> str:
    return str(kms.create_key(Description="data")["KeyMetadata"]["Arn"])


def test_the_rotation_period_is_kept(kms: Any, key: str) -> None:
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)
    assert status["NextRotationDate"] > kms.describe_key(KeyId=key)["KeyMetadata"]["CreationDate"]


def test_a_key_without_rotation_has_no_rotation_period(kms: Any, key: str) -> None:
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] is False
    assert "RotationPeriodInDays" not in status


def test_a_key_pending_deletion_neither_encrypts_nor_decrypts(kms: Any, key: str) -> None:
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    for call in (
        lambda: kms.encrypt(KeyId=key, Plaintext=b"1"),
        lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
        lambda: kms.decrypt(CiphertextBlob=sealed),
        lambda: kms.create_alias(AliasName="alias/data", TargetKeyId=key),
        lambda: kms.schedule_key_deletion(KeyId=key),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"


def test_a_disabled_key_encrypts_nothing(kms: Any, key: str) -> None:
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"1")


def test_a_key_of_another_region_is_not_found(aws: Running, key: str) -> None:
    with pytest.raises(ClientError, match="Invalid arn us-west-2"):
        aws.client("kms", PRIMARY).encrypt(KeyId=key, Plaintext=b"1")


def test_a_key_is_found_by_its_alias(kms: Any, key: str) -> None:
    kms.create_alias(AliasName="alias/data", TargetKeyId=key)
    sealed = kms.encrypt(KeyId="alias/data", Plaintext=b"1")
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["KeyId"] == key


def logs_policy(region: str) -> str:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    principals = {"AWS": "arn:aws:iam::123456789012:root"}, {"Service": f"logs.{region}.amazonaws.com"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Principal": each} for each in principals]})


def test_log_group_refuses_a_key_that_does_not_admit_cloudwatch_logs(aws: Running, kms: Any, key: str) -> None:
    logs = aws.client("logs", RECOVERY)
    with pytest.raises(ClientError, match=f"its policy does not allow logs.{RECOVERY}.amazonaws.com"):
        logs.create_log_group(logGroupName="/a", kmsKeyId=key)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=logs_policy(RECOVERY))
    logs.create_log_group(logGroupName="/a", kmsKeyId=key)

    assert logs.describe_log_groups()["logGroups"][0]["kmsKeyId"] == key
