from __future__ import annotations

import datetime
import http.client
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY, Pair, configuration, make_bucket

Control = Callable[..., Any]
Settle = Callable[[], dict[str, int]]
SOURCE, REPLICA = "data-primary", "data-recovery"


def test_a_replica_has_content_metadata_tags_and_version_id(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    version = pair.source.put_object(
        Bucket=SOURCE,
        Key="models/é a.bin",
        Body=b"\x00\xff",
        ContentType="application/x-model",
        Metadata={"trained": "today", "with_underscore": "1"},
        Tagging="class=model&stage=prod",
    )["VersionId"]
    settle()
    source = pair.source.head_object(Bucket=SOURCE, Key="models/é a.bin")
    replica = pair.replica.get_object(Bucket=REPLICA, Key="models/é a.bin", VersionId=version)
    assert replica["Body"].read() == b"\x00\xff"
    for name in ("VersionId", "ETag", "LastModified", "ContentType", "Metadata", "ServerSideEncryption"):
        assert replica[name] == source[name], name
    tags = pair.replica.get_object_tagging(Bucket=REPLICA, Key="models/é a.bin")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"class": "model", "stage": "prod"}
    assert (source["ReplicationStatus"], replica["ReplicationStatus"]) == ("COMPLETED", "REPLICA")


def test_versions_from_before_the_rule_are_not_replicated(pair: Pair, settle: Settle) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="old", Body=b"1")
    pair.replicate(pair.rule())
    settle()
    assert _keys(pair.replica, REPLICA) == []
    assert "ReplicationStatus" not in pair.source.head_object(Bucket=SOURCE, Key="old")


def test_an_empty_filter_selects_everything_and_is_read_back(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule(Filter={}))
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    settle()
    assert _keys(pair.replica, REPLICA) == ["k"]
    rules = pair.source.get_bucket_replication(Bucket=SOURCE)["ReplicationConfiguration"]["Rules"]
    assert rules == [pair.rule(Filter={})]


def test_disabled_rule_replicates_no_objects(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule(Status="Disabled"))
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    settle()
    assert _keys(pair.replica, REPLICA) == []


@pytest.mark.parametrize(
    ("selects", "copied"),
    [
        ({"Prefix": "models/"}, ["models/plain", "models/tagged"]),
        ({"Tag": {"Key": "keep", "Value": "yes"}}, ["data/tagged", "models/tagged"]),
        ({"And": {"Prefix": "models/", "Tags": [{"Key": "keep", "Value": "yes"}]}}, ["models/tagged"]),
        ({"And": {"Tags": [{"Key": "keep", "Value": "yes"}, {"Key": "b", "Value": "c"}]}}, []),
    ],
)
def test_a_rule_selects_by_prefix_and_tags(
    pair: Pair, settle: Settle, selects: dict[str, Any], copied: list[str]
) -> None:
    pair.replicate(pair.rule(Filter=selects, DeleteMarkerReplication={"Status": "Disabled"}))
    for folder in ("data", "models"):
        pair.source.put_object(Bucket=SOURCE, Key=f"{folder}/plain", Body=b"1")
        pair.source.put_object(Bucket=SOURCE, Key=f"{folder}/tagged", Body=b"1", Tagging="keep=yes&x=y")
    settle()
    assert _keys(pair.replica, REPLICA) == copied


def test_rule_with_the_higher_priority_of_two_to_one_bucket_applies(pair: Pair, settle: Settle) -> None:
    cold = {"Bucket": f"arn:aws:s3:::{REPLICA}", "StorageClass": "GLACIER_IR"}
    pair.replicate(
        pair.rule(ID="low", Priority=1),
        pair.rule(ID="high", Priority=2, Filter={"Prefix": "archive/"}, Destination=cold),
    )
    for key in ("archive/a", "b"):
        pair.source.put_object(Bucket=SOURCE, Key=key, Body=b"1")
    settle()
    assert pair.replica.head_object(Bucket=REPLICA, Key="archive/a")["StorageClass"] == "GLACIER_IR"
    assert "StorageClass" not in pair.replica.head_object(Bucket=REPLICA, Key="b")


def test_rules_to_two_buckets_both_apply(pair: Pair, settle: Settle) -> None:
    make_bucket(pair.replica, "second-replica")
    second = {"Bucket": "arn:aws:s3:::second-replica"}
    pair.replicate(pair.rule(), pair.rule(ID="second", Priority=2, Destination=second))
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    settle()
    assert _keys(pair.replica, REPLICA) == _keys(pair.replica, "second-replica") == ["k"]
    assert pair.source.head_object(Bucket=SOURCE, Key="k")["ReplicationStatus"] == "COMPLETED"


@pytest.mark.parametrize(("status", "left"), [("Enabled", []), ("Disabled", ["k"])])
def test_delete_markers_are_replicated_if_the_rule_enables_it(
    pair: Pair, settle: Settle, status: str, left: list[str]
) -> None:
    pair.replicate(pair.rule(DeleteMarkerReplication={"Status": status}))
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    marker = pair.source.delete_object(Bucket=SOURCE, Key="k")["VersionId"]
    settle()
    assert _keys(pair.replica, REPLICA) == left
    markers = pair.replica.list_object_versions(Bucket=REPLICA).get("DeleteMarkers", [])
    assert [found["VersionId"] for found in markers] == ([marker] if status == "Enabled" else [])


def test_delete_markers_of_a_batch_are_replicated(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    for key in "abc":
        pair.source.put_object(Bucket=SOURCE, Key=key, Body=b"1")
    pair.source.delete_objects(Bucket=SOURCE, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    settle()
    assert _keys(pair.replica, REPLICA) == ["c"]


def test_a_rule_without_filter_replicates_delete_markers(pair: Pair, settle: Settle) -> None:
    pair.replicate(
        {"ID": "v1", "Prefix": "", "Status": "Enabled", "Destination": {"Bucket": f"arn:aws:s3:::{REPLICA}"}}
    )
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    pair.source.delete_object(Bucket=SOURCE, Key="k")
    settle()
    assert _keys(pair.replica, REPLICA) == []


def test_the_deletion_of_a_version_is_not_replicated(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    version = pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")["VersionId"]
    settle()
    pair.source.delete_object(Bucket=SOURCE, Key="k", VersionId=version)
    settle()
    assert pair.replica.head_object(Bucket=REPLICA, Key="k")["VersionId"] == version


def test_replication_in_both_directions_does_not_loop(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    pair.replicate_back(pair.back())
    there = pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")["VersionId"]
    settle()
    back = pair.replica.put_object(Bucket=REPLICA, Key="k", Body=b"2")["VersionId"]
    counts = settle()
    assert counts == {"pending": 0, "failed": 0, "copied": 2}
    for client, bucket in ((pair.source, SOURCE), (pair.replica, REPLICA)):
        versions = client.list_object_versions(Bucket=bucket)["Versions"]
        assert [version["VersionId"] for version in versions] == [back, there]
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_a_replica_is_not_replicated_further(pair: Pair, settle: Settle) -> None:
    make_bucket(pair.source, "third")
    pair.replicate(pair.rule())
    pair.replicate_back(pair.rule(Destination={"Bucket": "arn:aws:s3:::third"}))
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    settle()
    assert _keys(pair.replica, REPLICA) == ["k"]
    assert _keys(pair.source, "third") == []


def test_tags_changed_at_the_source_reach_the_replica(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    settle()
    pair.source.put_object_tagging(Bucket=SOURCE, Key="k", Tagging=_tags(verified="yes"))
    settle()
    assert pair.replica.get_object_tagging(Bucket=REPLICA, Key="k")["TagSet"] == _tags(verified="yes")["TagSet"]


@pytest.mark.parametrize(("status", "reached"), [("Enabled", True), ("Disabled", False)])
def test_tags_of_a_replica_are_copied_back_only_with_replica_modifications(
    pair: Pair, settle: Settle, status: str, reached: bool
) -> None:
    pair.replicate(pair.rule())
    pair.replicate_back(pair.back(SourceSelectionCriteria={"ReplicaModifications": {"Status": status}}))
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    settle()
    pair.replica.put_object_tagging(Bucket=REPLICA, Key="k", Tagging=_tags(verified="yes"))
    settle()
    tags = pair.source.get_object_tagging(Bucket=SOURCE, Key="k")["TagSet"]
    assert bool(tags) is reached
    assert pair.replica.head_object(Bucket=REPLICA, Key="k")["ReplicationStatus"] == "REPLICA"


def test_multipart_uploads_and_copies_replicate(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    upload = pair.source.create_multipart_upload(Bucket=SOURCE, Key="big", Metadata={"a": "b"})["UploadId"]
    parts = []
    for number, body in ((1, b"x" * 5 * 1024 * 1024), (2, b"y")):
        part = pair.source.upload_part(Bucket=SOURCE, Key="big", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    pair.source.complete_multipart_upload(Bucket=SOURCE, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
    pair.source.copy_object(Bucket=SOURCE, Key="copy", CopySource={"Bucket": SOURCE, "Key": "big"})
    settle()
    assert _keys(pair.replica, REPLICA) == ["big", "copy"]
    source, replica = (
        client.head_object(Bucket=bucket, Key="big")
        for client, bucket in ((pair.source, SOURCE), (pair.replica, REPLICA))
    )
    assert source["ETag"] == replica["ETag"]
    assert replica["ETag"].endswith('-2"')
    assert replica["Metadata"] == {"a": "b"}


def test_encrypted_objects_are_replicated_under_the_replica_key_if_selected(
    aws: Running, pair: Pair, settle: Settle
) -> None:
    keys = {region: aws.client("kms", region).create_key()["KeyMetadata"]["Arn"] for region in (PRIMARY, RECOVERY)}
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": keys[PRIMARY]}
    pair.replicate(pair.rule())
    pair.source.put_object(Bucket=SOURCE, Key="before", Body=b"1", **sealed)
    destination = {"Bucket": f"arn:aws:s3:::{REPLICA}", "EncryptionConfiguration": {"ReplicaKmsKeyID": keys[RECOVERY]}}
    pair.replicate(
        pair.rule(Destination=destination, SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Enabled"}})
    )
    pair.source.put_object(Bucket=SOURCE, Key="after", Body=b"1", **sealed)
    pair.source.put_object(Bucket=SOURCE, Key="plain", Body=b"1")
    settle()
    assert _keys(pair.replica, REPLICA) == ["after", "plain"]
    replica = pair.replica.get_object(Bucket=REPLICA, Key="after")
    assert (replica["ServerSideEncryption"], replica["SSEKMSKeyId"]) == ("aws:kms", keys[RECOVERY])
    assert pair.replica.head_object(Bucket=REPLICA, Key="plain")["ServerSideEncryption"] == "AES256"
    aws.client("kms", RECOVERY).disable_key(KeyId=keys[RECOVERY])
    pair.source.put_object(Bucket=SOURCE, Key="sealed-off", Body=b"1", **sealed)
    assert settle()["failed"] == 1
    assert pair.source.head_object(Bucket=SOURCE, Key="sealed-off")["ReplicationStatus"] == "FAILED"


@pytest.mark.parametrize(
    ("contexts", "bucket_key", "status"),
    [
        (["arn:aws:s3:::{bucket}"], True, "COMPLETED"),
        (["arn:aws:s3:::{bucket}"], False, "FAILED"),
        (["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"], False, "COMPLETED"),
        (["arn:aws:s3:::other", "arn:aws:s3:::other/*"], True, "FAILED"),
    ],
    ids=["bucket-key", "no-bucket-key", "both-contexts", "other-bucket"],
)
def test_a_replication_role_needs_the_encryption_context_that_s3_sends(
    aws: Running, pair: Pair, settle: Settle, contexts: list[str], bucket_key: bool, status: str
) -> None:
    keys = {region: aws.client("kms", region).create_key()["KeyMetadata"]["Arn"] for region in (PRIMARY, RECOVERY)}
    allowed = [
        {
            "Effect": "Allow",
            "Action": actions,
            "Resource": keys[region],
            "Condition": {
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": [each.format(bucket=bucket) for each in contexts]}
            },
        }
        for actions, region, bucket in ((["kms:Decrypt"], PRIMARY, SOURCE), (["kms:Encrypt"], RECOVERY, REPLICA))
    ]
    iam = aws.client("iam", PRIMARY)
    trusted = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    role = iam.create_role(RoleName="replicates", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName="replicates", PolicyName="keys", PolicyDocument=policy)
    destination = {"Bucket": f"arn:aws:s3:::{REPLICA}", "EncryptionConfiguration": {"ReplicaKmsKeyID": keys[RECOVERY]}}
    selected = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    rules = [pair.rule(Destination=destination, SourceSelectionCriteria=selected)]
    pair.source.put_bucket_replication(Bucket=SOURCE, ReplicationConfiguration={"Role": role, "Rules": rules})
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": keys[PRIMARY], "BucketKeyEnabled": bucket_key}
    pair.source.put_object(Bucket=SOURCE, Key="sealed", Body=b"1", **sealed)
    settle()

    assert pair.source.head_object(Bucket=SOURCE, Key="sealed")["ReplicationStatus"] == status


def test_retention_and_legal_hold_arrive_with_the_version(aws: Running, settle: Settle) -> None:
    pair = Pair(aws.client("s3", PRIMARY), aws.client("s3", RECOVERY), ("locked-primary", "locked-recovery"))
    make_bucket(pair.source, pair.names[0], ObjectLockEnabledForBucket=True)
    make_bucket(pair.replica, pair.names[1], ObjectLockEnabledForBucket=True)
    pair.replicate(pair.rule())
    until = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)
    version = pair.source.put_object(
        Bucket=pair.names[0],
        Key="k",
        Body=b"1",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
        ObjectLockLegalHoldStatus="ON",
    )["VersionId"]
    settle()
    held = pair.replica.get_object_retention(Bucket=pair.names[1], Key="k")["Retention"]
    assert (held["Mode"], held["RetainUntilDate"]) == ("COMPLIANCE", until)
    with pytest.raises(ClientError, match="AccessDenied"):
        pair.replica.delete_object(Bucket=pair.names[1], Key="k", VersionId=version)
    pair.source.put_object_legal_hold(Bucket=pair.names[0], Key="k", LegalHold={"Status": "OFF"})
    settle()
    assert pair.replica.head_object(Bucket=pair.names[1], Key="k")["ObjectLockLegalHoldStatus"] == "OFF"


@pytest.mark.parametrize("gone", [PRIMARY, RECOVERY])
def test_copies_wait_for_an_unreachable_region_and_keep_their_order(
    pair: Pair, control: Control, settle: Settle, gone: str
) -> None:
    pair.replicate(pair.rule())
    pair.replicate_back(pair.back())
    control("POST", "faults", {"kind": "region", "region": gone, "unreachable": True})
    client, bucket, other, replica = (
        (pair.replica, REPLICA, pair.source, SOURCE)
        if gone == PRIMARY
        else (pair.source, SOURCE, pair.replica, REPLICA)
    )
    for body in (b"1", b"2", b"3"):
        client.put_object(Bucket=bucket, Key="k", Body=body)
    client.put_object(Bucket=bucket, Key="deleted", Body=b"1")
    client.delete_object(Bucket=bucket, Key="deleted")
    assert client.head_object(Bucket=bucket, Key="k")["ReplicationStatus"] == "PENDING"
    assert control("GET", "health")["replication"] == {"pending": 5, "failed": 0, "copied": 0}
    control("DELETE", "faults")
    assert settle() == {"pending": 0, "failed": 0, "copied": 5}
    assert other.get_object(Bucket=replica, Key="k")["Body"].read() == b"3"
    assert _keys(other, replica) == ["k"]
    assert client.head_object(Bucket=bucket, Key="k")["ReplicationStatus"] == "COMPLETED"


def test_a_copy_to_a_bucket_without_versioning_fails(pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    pair.replica.put_bucket_versioning(Bucket=REPLICA, VersioningConfiguration={"Status": "Suspended"})
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    assert settle() == {"pending": 0, "failed": 1, "copied": 0}
    assert pair.source.head_object(Bucket=SOURCE, Key="k")["ReplicationStatus"] == "FAILED"


def test_a_configuration_is_read_back_as_written(pair: Pair) -> None:
    minutes = {"Minutes": 15}
    rules = [
        pair.rule(
            Filter={"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}]}},
            DeleteMarkerReplication={"Status": "Disabled"},
            ExistingObjectReplication={"Status": "Disabled"},
            SourceSelectionCriteria={
                "SseKmsEncryptedObjects": {"Status": "Enabled"},
                "ReplicaModifications": {"Status": "Enabled"},
            },
            Destination={
                "Bucket": f"arn:aws:s3:::{REPLICA}",
                "StorageClass": "STANDARD_IA",
                "ReplicationTime": {"Status": "Enabled", "Time": minutes},
                "Metrics": {"Status": "Enabled", "EventThreshold": minutes},
                "EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:us-west-2:123456789012:key/k"},
            },
        ),
        pair.rule(ID="second", Priority=7, Filter={"Prefix": ""}),
    ]
    pair.replicate(*rules)
    kept = pair.source.get_bucket_replication(Bucket=SOURCE)["ReplicationConfiguration"]
    assert kept == configuration(*rules)
    pair.source.delete_bucket_replication(Bucket=SOURCE)
    with pytest.raises(ClientError, match="ReplicationConfigurationNotFoundError"):
        pair.source.get_bucket_replication(Bucket=SOURCE)


KEY = {"EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:us-west-2:123456789012:key/k"}}
SELECTED = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"Destination": {"Bucket": "arn:aws:s3:::no-such-bucket"}}, "Destination bucket must exist."),
        ({"Destination": {"Bucket": f"arn:aws:s3:::{SOURCE}"}}, "cannot be the same"),
        ({"Destination": {"Bucket": REPLICA}}, "Invalid bucket ARN"),
        ({"Filter": {"Tag": {"Key": "k", "Value": "v"}}}, "not supported if any Tag filter is specified"),
        ({"Destination": {"Bucket": f"arn:aws:s3:::{REPLICA}", **KEY}}, "SseKmsEncryptedObjects must be specified"),
        ({"SourceSelectionCriteria": SELECTED}, "ReplicaKmsKeyID must be specified"),
    ],
)
def test_a_rule_that_s3_refuses_is_refused(pair: Pair, broken: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        pair.replicate(pair.rule(**broken))


def test_a_rule_with_a_filter_needs_delete_marker_replication(pair: Pair) -> None:
    rule = pair.rule()
    del rule["DeleteMarkerReplication"]
    with pytest.raises(ClientError, match="DeleteMarkerReplication must be specified"):
        pair.replicate(rule)


def test_a_rule_to_an_unversioned_bucket_is_refused(pair: Pair) -> None:
    pair.replica.create_bucket(Bucket="unversioned", CreateBucketConfiguration={"LocationConstraint": RECOVERY})
    with pytest.raises(ClientError, match=r"Destination bucket must have versioning enabled\.") as caught:
        pair.replicate(pair.rule(Destination={"Bucket": "arn:aws:s3:::unversioned"}))
    assert caught.value.response["Error"]["Code"] == "InvalidRequest"


def test_a_rule_from_an_unversioned_bucket_is_refused(pair: Pair) -> None:
    pair.source.create_bucket(Bucket="unversioned")
    with pytest.raises(ClientError, match="Versioning must be 'Enabled'"):
        pair.source.put_bucket_replication(Bucket="unversioned", ReplicationConfiguration=configuration(pair.rule()))


def test_two_rules_with_one_priority_are_refused(pair: Pair) -> None:
    with pytest.raises(ClientError, match="priority 1"):
        pair.replicate(pair.rule(), pair.rule(ID="other"))


def test_versioning_stays_on_under_replication(pair: Pair) -> None:
    pair.replicate(pair.rule())
    with pytest.raises(ClientError, match="first delete the replication configuration") as caught:
        pair.source.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Suspended"})
    assert caught.value.response["Error"]["Code"] == "InvalidBucketState"
    pair.source.delete_bucket_replication(Bucket=SOURCE)
    pair.source.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Suspended"})


def test_ten_thousand_objects_are_replicated_completely(aws: Running, pair: Pair, settle: Settle) -> None:
    pair.replicate(pair.rule())
    count, writers = 10_000, 4

    def write(first: int) -> None:
        # Requests by boto3 would take most of the time.
        connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
        scope = f"sandbox/20260101/{PRIMARY}/s3/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
        for number in range(first, count, writers):
            connection.request("PUT", f"/{SOURCE}/objects/{number:05}", str(number).encode(), headers)
            assert connection.getresponse().read() == b""

    threads = [threading.Thread(target=write, args=(first,)) for first in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert settle() == {"pending": 0, "failed": 0, "copied": count}
    pages = [
        [
            (entry["Key"], entry["ETag"])
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for entry in page["Contents"]
        ]
        for client, bucket in ((pair.source, SOURCE), (pair.replica, REPLICA))
    ]
    assert pages[0] == pages[1]
    assert len(pages[0]) == count


def _keys(client: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def _tags(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
