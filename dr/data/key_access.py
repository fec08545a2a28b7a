"""The permission that a refused request for an object lacked: on the object, or on the KMS key that encrypts it."""

from __future__ import annotations

from dr.clients import Denied, Unreachable, calls, client
from dr.errors import Failed, Problem

READ, WRITE = "kms:Decrypt", "kms:GenerateDataKey"
"""Permissions on the key to read an object and to write one (S3 user guide, "Using server-side encryption with AWS KMS
keys"). An upload in parts needs both."""


def explained(region: str, bucket: str, key: str, version_id: str, error: Denied) -> Problem:
    """Return the problem of a refused read, with the KMS key and the permission.

    S3 does not say which permission is missing where the answer has no body, as of HeadObject. The metadata of an
    object can be read without its KMS key, and names the key.

    Args:
        region: Region of the bucket.
        bucket: The bucket.
        key: Key of the object.
        version_id: Version of the object.
        error: The error.
    """
    problem, subject = error.problems[0], f"s3://{bucket}/{key}"
    if "kms:" in problem.fact:
        return Problem(subject, problem.fact, "allow it in the key's policy and in the identity's policy")
    try:
        with calls(subject, region):
            head = client("s3", region).head_object(Bucket=bucket, Key=key, VersionId=version_id)
    except Unreachable:
        raise
    except Failed:
        remedy = f"allow s3:GetObjectVersion on arn:aws:s3:::{bucket}/{key} to the identity of these credentials"
        return Problem(subject, problem.fact, remedy)
    if kms_key := head.get("SSEKMSKeyId"):
        fact = f"access to version {version_id} in {region} was denied: {READ} on {kms_key} is not allowed"
        return Problem(subject, fact, f"allow {READ} on that key, in its policy and in the identity's policy")
    return problem


def explained_copy(region: str, source: Problem, bucket: str, error: Denied) -> Problem:
    """Return the problem of a refused copy, with what it needs: the source may be readable, and the target's key not.

    Args:
        region: Region of the target bucket.
        source: What `explained` says about the source.
        bucket: The target bucket.
        error: The error.
    """
    if "kms:" in source.fact:
        return source
    needed = f"s3:PutObject on arn:aws:s3:::{bucket}/*"
    try:
        with calls(f"s3://{bucket}", region):
            answer = client("s3", region).get_bucket_encryption(Bucket=bucket)
        rule = answer["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        if kms_key := rule.get("KMSMasterKeyID"):
            needed = f"{needed}, and {READ} and {WRITE} on {kms_key}"
    except Unreachable:
        raise
    except Failed:
        pass
    return Problem(source.subject, error.problems[0].fact, f"allow {needed}")
