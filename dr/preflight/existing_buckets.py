"""Check the existing buckets of `dr:buckets`: region, encryption, and replication rules of their owner.

PutBucketReplication replaces the whole replication configuration of a bucket (S3 API reference), so the rules of its
owner would be deleted. A bucket that has any is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dr.clients import Missing, calls, client
from dr.errors import Failed
from dr.findings import Finding, Status
from dr.preflight.check import Subject
from dr.topology.topology import BucketPair, Role, Topology

ABSENT = ("ReplicationConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError")
"""Error codes of S3 for a setting that a bucket does not have."""


def look(subject: Subject) -> Iterator[Finding]:
    """Check each existing bucket, in the primary stack, which configures it.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: S3 refused the request.
        Unreachable: The primary region does not answer.
    """
    topology = subject.topology
    if topology.role is not Role.PRIMARY:
        return
    for pair in topology.pairs:
        if pair.existing:
            yield from _bucket(topology, pair, pair.existing)


def _bucket(topology: Topology, pair: BucketPair, bucket: str) -> Iterator[Finding]:
    region, name = topology.primary.region, f"dr:buckets.{pair.name}.existing"
    s3 = client("s3", region)
    try:
        with calls(f"bucket {bucket}", region):
            found = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", region)
    except Missing:
        yield Finding(name, Status.MISSED, f'"{bucket}" does not exist', "correct the name, or remove `existing`")
        return
    if found != region:
        fact = f'"{bucket}" is in {found}, not in the primary region {region}'
        yield Finding(name, Status.MISSED, fact, "name a bucket of the primary region, or remove `existing`")
        return
    problems = [*_foreign_rules(topology, pair, bucket), *_key_problems(region, pair, bucket)]
    yield from (Finding(name, Status.MISSED, fact, fix) for fact, fix in problems)
    if not problems:
        yield Finding(name, Status.MET, f'"{bucket}" has no replication rules of its owner')


def _foreign_rules(topology: Topology, pair: BucketPair, bucket: str) -> Iterator[tuple[str, str]]:
    """Yield fact and fix if the bucket has replication rules that this project did not write."""
    own = f"arn:aws:s3:::{topology.bucket(pair, Role.RECOVERY)}"
    answer = _setting(topology.primary.region, bucket, "get_bucket_replication")
    rules = answer.get("ReplicationConfiguration", {}).get("Rules", [])
    foreign = [
        f"{rule.get('ID', 'without ID')} to {rule['Destination']['Bucket'].rpartition(':')[2]}"
        for rule in rules
        if rule["Destination"]["Bucket"] != own
    ]
    if foreign:
        yield (
            f'"{bucket}" has replication rules ({", ".join(foreign)}), which this deployment would delete: S3 replaces '
            "the whole configuration",
            f"`aws s3api delete-bucket-replication --bucket {bucket}` if they are not needed; otherwise remove "
            "`existing` and copy the data into a bucket of the pair",
        )


def _key_problems(region: str, pair: BucketPair, bucket: str) -> Iterator[tuple[str, str]]:
    """Yield fact and fix if the bucket's default key differs from `existingKey`, so that replication would fail."""
    answer = _setting(region, bucket, "get_bucket_encryption")
    for rule in answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", []):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if not default.get("SSEAlgorithm", "").startswith("aws:kms"):
            continue
        key = _key_arn(region, default.get("KMSMasterKeyID", ""))
        if key != pair.existing_key:
            yield (
                f'"{bucket}" is encrypted with {key}, and existingKey is {pair.existing_key or "not set"}: S3 could '
                "not decrypt its objects to replicate them",
                "set `existingKey` to the ARN of that key",
            )


def _key_arn(region: str, key: str) -> str:
    """Return the ARN of a key that S3 reports by ARN, ID or alias (S3 API reference, ServerSideEncryptionByDefault)."""
    if not key:
        return "the AWS managed key aws/s3"
    if ":key/" in key:
        return key
    with calls(f"key {key}", region):
        return str(client("kms", region).describe_key(KeyId=key)["KeyMetadata"]["Arn"])


def _setting(region: str, bucket: str, operation: str) -> dict[str, Any]:
    """Return a setting of a bucket; {} if it has none."""
    try:
        with calls(f"bucket {bucket}", region):
            answer: dict[str, Any] = getattr(client("s3", region), operation)(Bucket=bucket)
            return answer
    except Failed as error:
        if any(code in str(error) for code in ABSENT):
            return {}
        raise
