"""Checksums and denied keys of S3, as S3's API reference and user guide describe them."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, make_bucket

BUCKET, BODY = "data-primary", b"content"
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


def test_bytes_without_the_stated_hash_are_refused(aws: Running) -> None:
    s3 = aws.client("s3", PRIMARY)
    make_bucket(s3, BUCKET)
    checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": SHA256}
    s3.put_object(Bucket=BUCKET, Key="key", Body=BODY, **checksum)
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=BUCKET, Key="key", Body=b"other", **checksum)

    assert s3.head_object(Bucket=BUCKET, Key="key", ChecksumMode="ENABLED")["ChecksumSHA256"] == SHA256


def test_checksum_of_an_upload_in_parts_ends_with_their_number(aws: Running) -> None:
    s3 = aws.client("s3", PRIMARY)
    make_bucket(s3, BUCKET)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(
        Bucket=BUCKET, Key="key", UploadId=upload, PartNumber=1, Body=BODY, ChecksumAlgorithm="SHA256"
    )
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    s3.complete_multipart_upload(Bucket=BUCKET, Key="key", UploadId=upload, MultipartUpload={"Parts": parts})
    head = s3.head_object(Bucket=BUCKET, Key="key", ChecksumMode="ENABLED")

    composite = base64.b64encode(hashlib.sha256(hashlib.sha256(BODY).digest()).digest()).decode()
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (f"{composite}-1", "COMPOSITE")


def test_denied_key_refuses_what_needs_it_and_leaves_metadata_readable(aws: Running) -> None:
    s3, kms = aws.client("s3", PRIMARY), aws.client("kms", PRIMARY)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    make_bucket(s3, BUCKET)
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(Bucket=BUCKET, Key="key", Body=BODY, ChecksumAlgorithm="SHA256", **encryption)
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)

    assert s3.head_object(Bucket=BUCKET, Key="key")["SSEKMSKeyId"] == key
    with pytest.raises(ClientError, match="403"):
        s3.head_object(Bucket=BUCKET, Key="key", ChecksumMode="ENABLED")
    source = {"Bucket": BUCKET, "Key": "key"}
    decrypt, encrypt = (f"not authorized to perform: kms:{name} on resource: {key}" for name in ("Decrypt", "Generate"))
    with pytest.raises(ClientError, match=decrypt):
        s3.get_object(Bucket=BUCKET, Key="key")
    with pytest.raises(ClientError, match=decrypt):
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)
    with pytest.raises(ClientError, match=encrypt.partition(" on ")[0]):
        s3.put_object(Bucket=BUCKET, Key="other", Body=BODY, **encryption)
