from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY, Pair, make_bucket

BUCKET = "data-primary"


def test_a_new_bucket_has_the_defaults_of_aws(aws: Running) -> None:
    client = aws.client("s3", PRIMARY)
    client.create_bucket(Bucket=BUCKET)
    ownership = client.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    block = client.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert _algorithm(client) == "AES256"
    assert "Status" not in client.get_bucket_versioning(Bucket=BUCKET)


def test_settings_at_creation_override_the_defaults_of_a_bucket(aws: Running) -> None:
    client = aws.client("s3", PRIMARY)
    client.create_bucket(Bucket=BUCKET, ObjectOwnership="BucketOwnerPreferred")
    rules = client.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerPreferred"}]


def test_creating_a_bucket_again_keeps_its_settings(aws: Running) -> None:
    client = aws.client("s3", PRIMARY)
    client.create_bucket(Bucket=BUCKET)
    client.delete_public_access_block(Bucket=BUCKET)
    client.create_bucket(Bucket=BUCKET)
    with pytest.raises(ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        client.get_public_access_block(Bucket=BUCKET)


def test_bucket_without_configured_encryption_has_the_default_encryption(aws: Running, pair: Pair) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    pair.source.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert _algorithm(pair.source) == "aws:kms"
    pair.source.delete_bucket_encryption(Bucket=BUCKET)
    assert _algorithm(pair.source) == "AES256"


def test_a_lifecycle_is_read_back_as_written(pair: Pair) -> None:
    rules = [
        {
            "ID": "noncurrent",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 3},
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "GLACIER_IR"}],
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "ID": "archive",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 131072}},
            "Transitions": [{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}],
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
    ]
    pair.source.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})
    kept = pair.source.get_bucket_lifecycle_configuration(Bucket=BUCKET)
    assert kept["Rules"] == rules
    assert kept["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    pair.source.delete_bucket_lifecycle(Bucket=BUCKET)
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        pair.source.get_bucket_lifecycle_configuration(Bucket=BUCKET)


def test_a_lifecycle_that_s3_refuses_is_refused(pair: Pair) -> None:
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Prefix": "", "Expiration": {"Days": 1}}
    with pytest.raises(ClientError, match="MalformedXML"):
        pair.source.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})


def test_an_object_cannot_be_encrypted_with_an_unknown_key(aws: Running, pair: Pair) -> None:
    elsewhere = aws.client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"]
    for key in (elsewhere, "12345678-1234-1234-1234-123456789012"):
        with pytest.raises(ClientError) as caught:
            pair.source.put_object(Bucket=BUCKET, Key="k", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
        assert caught.value.response["Error"]["Code"] == "KMS.NotFoundException"


def test_default_encryption_key_of_a_bucket_must_be_usable(aws: Running, pair: Pair) -> None:
    kms = aws.client("kms", PRIMARY)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    pair.source.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    pair.source.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: pair.source.put_object(Bucket=BUCKET, Key="l", Body=b"1"),
        lambda: pair.source.get_object(Bucket=BUCKET, Key="k"),
        lambda: pair.source.create_multipart_upload(Bucket=BUCKET, Key="m"),
    )
    for call in calls:
        with pytest.raises(ClientError, match="KMSInvalidStateException"):
            call()


def test_the_key_of_the_account_always_exists(pair: Pair) -> None:
    pair.source.put_object(Bucket=BUCKET, Key="k", Body=b"1", ServerSideEncryption="aws:kms")
    assert pair.source.head_object(Bucket=BUCKET, Key="k")["ServerSideEncryption"] == "aws:kms"


def test_a_policy_that_requires_tls_allows_the_sandbox(pair: Pair) -> None:
    _set_policy(pair.source, {"Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    pair.source.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    assert pair.source.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"1"


@pytest.mark.parametrize(
    "denies", [{}, {"Principal": {"AWS": "*"}}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}]
)
def test_a_policy_that_denies_everyone_denies(pair: Pair, denies: dict[str, Any]) -> None:
    _set_policy(pair.source, denies)
    with pytest.raises(ClientError, match="403"):
        pair.source.put_object(Bucket=BUCKET, Key="k", Body=b"1")


def test_a_policy_for_other_principals_does_not_deny(pair: Pair) -> None:
    _set_policy(pair.source, {"Principal": {"AWS": "arn:aws:iam::123456789012:role/other"}})
    pair.source.put_object(Bucket=BUCKET, Key="k", Body=b"1")


def test_retention_is_read_back(aws: Running) -> None:
    client = aws.client("s3", PRIMARY)
    make_bucket(client, BUCKET, ObjectLockEnabledForBucket=True)
    client.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    with pytest.raises(ClientError, match="NoSuchObjectLockConfiguration"):
        client.get_object_retention(Bucket=BUCKET, Key="k")
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)}
    client.put_object_retention(Bucket=BUCKET, Key="k", Retention=retention)
    assert client.get_object_retention(Bucket=BUCKET, Key="k")["Retention"] == retention


def test_versioning_stays_on_under_object_lock(aws: Running) -> None:
    client = aws.client("s3", PRIMARY)
    make_bucket(client, BUCKET, ObjectLockEnabledForBucket=True)
    with pytest.raises(ClientError, match="InvalidBucketState"):
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def _algorithm(client: Any) -> str:
    rules = client.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    return str(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])


def _set_policy(client: Any, changes: dict[str, Any]) -> None:
    resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources} | changes
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
