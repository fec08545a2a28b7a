"""Rules on buckets, their replication, and keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from .model import PROJECT, UNKNOWN, Facts, Resource, Rule, Stack, all_of, items, look, must_be, shown

BUCKET = "aws:s3/bucket:Bucket"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"

NONCURRENT_DAYS = 7
"""A mistake made before a weekend is noticed after it."""


def ours(bucket: Resource) -> bool:
    """Whether a bucket was made here. An adopted one has no tag of ours, and its settings are its owner's."""
    return bucket.look("tags.project") in (PROJECT, UNKNOWN)


def companion(token: str, check: Callable[[Resource], Facts]) -> Callable[[Resource, Stack], Facts]:
    """A check that a bucket made here has a setting of a type, and that the setting is right."""

    def check_bucket(bucket: Resource, stack: Stack) -> Facts:
        if not ours(bucket):
            return
        found = [each for each in of_type(stack, token) if each.names("bucket", bucket, "bucket")]
        if not found:
            yield f"the bucket has no {token.rpartition(':')[2]}"
        for each in found:
            yield from check(each)

    return check_bucket


def of_type(stack: Stack, token: str) -> list[Resource]:
    """A stack's resources of one type."""
    return [each for each in stack if each.type == token]


def blocks_public_access(block: Resource) -> Facts:
    """All four switches are on."""
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return all_of(*(must_be(name, True) for name in switches))(block)


def denies_without_tls(policy: Resource) -> Facts:
    """A statement denies everybody every action on the bucket and its objects without TLS."""
    document, bucket = policy.look("policy"), policy.look("bucket")
    if UNKNOWN in (document, bucket):
        return
    arn = f"arn:aws:s3:::{bucket}"
    parsed = json.loads(document) if isinstance(document, str) else document
    for statement in listed(look(parsed, "Statement")):
        without_tls = look(statement, "Condition.Bool") or {}
        if (
            statement.get("Effect") == "Deny"
            and statement.get("Principal") in ("*", {"AWS": "*"})
            and "s3:*" in listed(statement.get("Action"))
            and {arn, f"{arn}/*"} <= set(listed(statement.get("Resource")))
            and str(without_tls.get("aws:SecureTransport")).lower() == "false"
        ):
            return
    yield f"no statement denies s3:* on {arn} and {arn}/* to everybody without aws:SecureTransport"


def listed(value: Any) -> list[Any]:
    """An element of a policy document, which may be one thing or a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def keeps_noncurrent(lifecycle: Resource) -> Facts:
    """A rule of the lifecycle ends versions that are no longer current, and not too soon."""
    if lifecycle.look("rules") is UNKNOWN:
        return
    rules = [rule for rule in items(lifecycle.look("rules")) if look(rule, "status") in ("Enabled", UNKNOWN)]
    found = [days for rule in rules if (days := look(rule, "noncurrentVersionExpiration.noncurrentDays")) is not None]
    if not found:
        yield "no rule of the lifecycle ends noncurrent versions"
    for days in found:
        if days is not UNKNOWN and days < NONCURRENT_DAYS:
            yield f"noncurrentDays is {shown(days)}, less than {NONCURRENT_DAYS}"


def rules_of(replication: Resource) -> Iterator[tuple[dict[str, Any], str]]:
    """Rules that are not disabled, each with the name of the bucket it copies to, where that is known."""
    for rule in items(replication.look("rules")):
        arn = look(rule, "destination.bucket")
        if look(rule, "status") in ("Enabled", UNKNOWN) and isinstance(arn, str):
            yield rule, arn.rpartition(":")[2]


def settings_of(stack: Stack, token: str, *buckets: Any) -> list[Resource]:
    """Settings of a type that a bucket has, by its name; with UNKNOWN, those it may have, too."""
    return [each for each in of_type(stack, token) if each.look("bucket") in buckets]


def versioned(stack: Stack, bucket: Any) -> Facts:
    """A bucket's versioning is in the stack, and on."""
    if bucket is UNKNOWN:
        return
    found = settings_of(stack, VERSIONING, bucket, UNKNOWN)
    if not found:
        yield f"bucket {bucket} has no BucketVersioning"
    for each in found:
        for fact in must_be("versioningConfiguration.status", "Enabled")(each):
            yield f"bucket {bucket}: {fact}"


def source_versioned(replication: Resource, stack: Stack) -> Facts:
    """The bucket that is copied from keeps versions."""
    yield from versioned(stack, replication.look("bucket"))


def destination_versioned(replication: Resource, stack: Stack) -> Facts:
    """The bucket that is copied to keeps versions."""
    for _, destination in rules_of(replication):
        yield from versioned(stack, destination)


def both_ways(replication: Resource, stack: Stack) -> Facts:
    """For each rule there is one that leads back."""
    source = replication.look("bucket")
    if source is UNKNOWN:
        return
    for _, destination in rules_of(replication):
        back = {name for each in settings_of(stack, REPLICATION, destination, UNKNOWN) for _, name in rules_of(each)}
        if source not in back:
            yield f"{source} is replicated to {destination}, and no enabled rule leads back"


def other_region(replication: Resource, stack: Stack) -> Facts:
    """The bucket that is copied to is elsewhere."""
    for _, destination in rules_of(replication):
        for bucket in settings_of(stack, VERSIONING, destination):
            if bucket.region == replication.region and bucket.region is not UNKNOWN:
                yield f"{replication.look('bucket')} and {destination} are both in {bucket.region}"


def names_keys(replication: Resource, stack: Stack) -> Facts:
    """Where a side is encrypted with KMS by default, the rule takes such objects and says with which key to write."""
    for rule, destination in rules_of(replication):
        sides = (replication.look("bucket"), destination)
        encrypted = [
            bucket
            for bucket in sides
            for setting in settings_of(stack, ENCRYPTION, bucket)
            for each in items(setting.look("rules"))
            if look(each, "applyServerSideEncryptionByDefault.sseAlgorithm") in ("aws:kms", "aws:kms:dsse")
        ]
        if not encrypted:
            continue
        selected = look(rule, "sourceSelectionCriteria.sseKmsEncryptedObjects.status")
        if selected not in ("Enabled", UNKNOWN):
            yield f"{encrypted[0]} has a KMS default, and sseKmsEncryptedObjects is {shown(selected)}"
        if not look(rule, "destination.encryptionConfiguration.replicaKmsKeyId"):
            yield f"{encrypted[0]} has a KMS default, and the rule has no replicaKmsKeyId"


RULES = (
    Rule(
        name="s3-replication-source-versioned",
        says="The source of a replication must have versioning.",
        why="S3 refuses a replication rule without it, and what is overwritten would be lost on both sides",
        remedy="give the source a BucketVersioning with status Enabled",
        types=(REPLICATION,),
        check_in_stack=source_versioned,
    ),
    Rule(
        name="s3-replication-destination-versioned",
        says="The destination of a replication must have versioning.",
        why="S3 refuses a replication rule without it",
        remedy="give the destination a BucketVersioning with status Enabled",
        types=(REPLICATION,),
        check_in_stack=destination_versioned,
    ),
    Rule(
        name="s3-replication-both-ways",
        says="Both sides of a replication must have an enabled rule.",
        why="the way back must exist before a disaster: making it calls a control plane that depends on us-east-1",
        remedy="add a rule to the destination that replicates to the source",
        types=(REPLICATION,),
        check_in_stack=both_ways,
    ),
    Rule(
        name="s3-replication-another-region",
        says="A replica must be in another region than its source.",
        why="two buckets in one region are lost together",
        remedy="make the replica in the other region",
        types=(REPLICATION,),
        check_in_stack=other_region,
    ),
    Rule(
        name="s3-replication-kms-keys",
        says="Replication between buckets with a KMS default must select such objects and name the replica's key.",
        why="S3 skips objects encrypted with KMS unless a rule does both",
        remedy="set sseKmsEncryptedObjects to Enabled, and replicaKmsKeyId to the key in the destination's region",
        types=(REPLICATION,),
        check_in_stack=names_keys,
    ),
    Rule(
        name="s3-bucket-tls-only",
        says="A bucket must refuse requests without TLS.",
        why="training data and models must not cross a network in the clear",
        remedy="add the deny statement to the bucket's BucketPolicy (components/iam.py, tls_only)",
        types=(BUCKET,),
        check_in_stack=companion("aws:s3/bucketPolicy:BucketPolicy", denies_without_tls),
    ),
    Rule(
        name="s3-bucket-public-access-blocked",
        says="A bucket must block public access in all four ways.",
        why="each switch closes another way by which one wrong policy or ACL makes data public",
        remedy="give the bucket a BucketPublicAccessBlock with all four switches true",
        types=(BUCKET,),
        check_in_stack=companion("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", blocks_public_access),
    ),
    Rule(
        name="s3-bucket-owner-enforced",
        says="A bucket's owner must own every object in it.",
        why="an object with an owner or an ACL of its own can be out of reach of policies, and of replication",
        remedy="give the bucket BucketOwnershipControls with objectOwnership BucketOwnerEnforced",
        types=(BUCKET,),
        check_in_stack=companion(
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            must_be("rule.objectOwnership", "BucketOwnerEnforced"),
        ),
    ),
    Rule(
        name="s3-bucket-noncurrent-retention",
        says=f"A bucket must keep noncurrent versions for {NONCURRENT_DAYS} days or more, and then end them.",
        why="they are the way back from an overwrite or a delete, and cost storage twice for ever if nothing ends them",
        remedy="set noncurrentDays of the pair in dr:buckets",
        types=(BUCKET,),
        check_in_stack=companion("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", keeps_noncurrent),
    ),
    Rule(
        name="kms-key-rotation-enabled",
        says="A KMS key must rotate every year.",
        why="it limits what one leaked key can read, and costs nothing to have from the first day",
        remedy="set enableKeyRotation to true",
        types=("aws:kms/key:Key",),
        check=must_be("enableKeyRotation", True),
    ),
)
