"""`Example`, and examples of the rules on buckets: a compliant stack, and violations in one field each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.policies import NOT_KNOWN, REMOVED, TAGS, Given, provider

EAST, WEST = "us-east-1", "us-west-2"
ONE, OTHER = "data-east", "data-west"


@dataclass(frozen=True)
class Example:
    """A compliant stack of a rule, and changes that violate the rule.

    Args:
        rule: The rule's name.
        stack: A compliant stack.
        broken: Name of a resource, property path, violating value, and the reported fact.
    """

    rule: str
    stack: tuple[Given, ...]
    broken: tuple[tuple[str, str, object, str], ...]


def replication(source: str, region: str, destination: str) -> Given:
    rule = {
        "status": "Enabled",
        "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
        "destination": {
            "bucket": f"arn:aws:s3:::{destination}",
            "encryptionConfiguration": {"replicaKmsKeyId": NOT_KNOWN},
        },
    }
    kind = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    return Given(kind, f"{source}-replication", {"bucket": source, "region": region, "rules": [rule]})


def setting(kind: str, bucket: str, region: str = EAST, **props: object) -> Given:
    token = f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}"
    return Given(token, f"{bucket}-{kind}", {"bucket": bucket, "region": region, **props}, {})


def encrypted(bucket: str, region: str) -> Given:
    default = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}
    return setting("BucketServerSideEncryptionConfiguration", bucket, region, rules=[default])


PAIR = (
    provider(),
    setting("BucketVersioning", ONE, EAST, versioningConfiguration={"status": "Enabled"}),
    setting("BucketVersioning", OTHER, WEST, versioningConfiguration={"status": "Enabled"}),
    encrypted(ONE, EAST),
    encrypted(OTHER, WEST),
    replication(ONE, EAST, OTHER),
    replication(OTHER, WEST, ONE),
)
SOURCE, REPLICA = f"{ONE}-replication", f"{OTHER}-replication"
BUCKET = Given("aws:s3/bucket:Bucket", ONE, {"bucket": ONE, "tags": {**TAGS, "backup": "enabled"}})
TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [f"arn:aws:s3:::{ONE}", f"arn:aws:s3:::{ONE}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
ALL_FOUR: dict[str, Any] = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
ENDS = {"status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 90.0}}


def document(**changes: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{**TLS, **changes}]})


STORAGE = (
    Example(
        "s3-replication-source-versioned",
        PAIR,
        (
            (
                f"{ONE}-BucketVersioning",
                "versioningConfiguration.status",
                "Suspended",
                'bucket data-east: versioningConfiguration.status is "Suspended", not "Enabled"',
            ),
            (f"{ONE}-BucketVersioning", "bucket", "another", "bucket data-east has no BucketVersioning"),
        ),
    ),
    Example(
        "s3-replication-destination-versioned",
        PAIR,
        (
            (
                f"{OTHER}-BucketVersioning",
                "versioningConfiguration.status",
                "Suspended",
                'bucket data-west: versioningConfiguration.status is "Suspended", not "Enabled"',
            ),
        ),
    ),
    Example(
        "s3-replication-both-ways",
        PAIR,
        (
            (
                REPLICA,
                "rules.0.status",
                "Disabled",
                "data-east is replicated to data-west, but no enabled rule replicates data-west to data-east",
            ),
        ),
    ),
    Example(
        "s3-replication-another-region",
        PAIR,
        ((f"{OTHER}-BucketVersioning", "region", EAST, "data-east and data-west are both in us-east-1"),),
    ),
    Example(
        "s3-replication-kms-keys",
        PAIR,
        (
            (
                SOURCE,
                "rules.0.sourceSelectionCriteria.sseKmsEncryptedObjects.status",
                "Disabled",
                'data-east is encrypted with KMS by default, but sseKmsEncryptedObjects is "Disabled"',
            ),
            (
                SOURCE,
                "rules.0.destination.encryptionConfiguration",
                REMOVED,
                "data-east is encrypted with KMS by default, but the rule has no replicaKmsKeyId",
            ),
        ),
    ),
    Example(
        "s3-bucket-tls-only",
        (BUCKET, setting("BucketPolicy", ONE, policy=document())),
        tuple(
            (
                f"{ONE}-BucketPolicy",
                "policy",
                document(**change),
                f"no statement denies all principals s3:* on arn:aws:s3:::{ONE} and arn:aws:s3:::{ONE}/* "
                "if aws:SecureTransport is false",
            )
            for change in (
                {"Effect": "Allow"},
                {"Action": "s3:GetObject"},
                {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
                {"Resource": f"arn:aws:s3:::{ONE}/*"},
                {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            )
        ),
    ),
    Example(
        "s3-bucket-public-access-blocked",
        (BUCKET, setting("BucketPublicAccessBlock", ONE, **ALL_FOUR)),
        (
            *((f"{ONE}-BucketPublicAccessBlock", name, False, f"{name} is false, not true") for name in ALL_FOUR),
            (f"{ONE}-BucketPublicAccessBlock", "bucket", "another", "the bucket has no BucketPublicAccessBlock"),
        ),
    ),
    Example(
        "s3-bucket-owner-enforced",
        (BUCKET, setting("BucketOwnershipControls", ONE, rule={"objectOwnership": "BucketOwnerEnforced"})),
        (
            (
                f"{ONE}-BucketOwnershipControls",
                "rule.objectOwnership",
                "ObjectWriter",
                'rule.objectOwnership is "ObjectWriter", not "BucketOwnerEnforced"',
            ),
        ),
    ),
    Example(
        "s3-bucket-noncurrent-retention",
        (BUCKET, setting("BucketLifecycleConfiguration", ONE, rules=[ENDS])),
        (
            (
                f"{ONE}-BucketLifecycleConfiguration",
                "rules.0.noncurrentVersionExpiration.noncurrentDays",
                6.0,
                "noncurrentDays is 6, less than 7",
            ),
            (
                f"{ONE}-BucketLifecycleConfiguration",
                "rules.0.status",
                "Disabled",
                "no lifecycle rule expires noncurrent versions",
            ),
        ),
    ),
)
