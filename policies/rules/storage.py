"""Rules on buckets, their replication, and KMS keys."""

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
"""Long enough that a mistake made before a weekend is noticed in time."""


def managed(bucket: Resource) -> bool:
    """Return whether this program creates the bucket; an existing bucket lacks the tag and has its own settings."""
    return bucket.look("tags.project") in (PROJECT, UNKNOWN)


def setting_check(token: str, check: Callable[[Resource], Facts]) -> Callable[[Resource, Stack], Facts]:
    """Return a check that a managed bucket has a setting of a type, and that the setting passes a check."""

    def check_bucket(bucket: Resource, stack: Stack) -> Facts:
        if not managed(bucket):
            return
        settings = [each for each in of_type(stack, token) if each.names("bucket", bucket, "bucket")]
        if not settings:
            yield f"the bucket has no {token.rpartition(':')[2]}"
        for each in settings:
            yield from check(each)

    return check_bucket


def of_type(stack: Stack, token: str) -> list[Resource]:
    """Return the resources of a type in a stack."""
    return [each for each in stack if each.type == token]


def blocks_public_access(block: Resource) -> Facts:
    """Check that all four public access settings are enabled."""
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return all_of(*(must_be(name, True) for name in switches))(block)


def denies_without_tls(policy: Resource) -> Facts:
    """Check for a statement that denies every principal all actions on bucket and objects without TLS."""
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
    yield f"no statement denies all principals s3:* on {arn} and {arn}/* if aws:SecureTransport is false"


def listed(value: Any) -> list[Any]:
    """Return an element of a policy document as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def keeps_noncurrent(lifecycle: Resource) -> Facts:
    """Check that the lifecycle expires noncurrent versions, after the minimum of days."""
    if lifecycle.look("rules") is UNKNOWN:
        return
    rules = [rule for rule in items(lifecycle.look("rules")) if look(rule, "status") in ("Enabled", UNKNOWN)]
    days_of = [look(rule, "noncurrentVersionExpiration.noncurrentDays") for rule in rules]
    expiries = [days for days in days_of if days is not None]
    if not expiries:
        yield "no lifecycle rule expires noncurrent versions"
    for days in expiries:
        if days is not UNKNOWN and days < NONCURRENT_DAYS:
            yield f"noncurrentDays is {shown(days)}, less than {NONCURRENT_DAYS}"


def rules_of(replication: Resource) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the enabled rules with the name of their destination bucket, where that is known."""
    for rule in items(replication.look("rules")):
        arn = look(rule, "destination.bucket")
        if look(rule, "status") in ("Enabled", UNKNOWN) and isinstance(arn, str):
            yield rule, arn.rpartition(":")[2]


def settings_of(stack: Stack, token: str, *buckets: Any) -> list[Resource]:
    """Return the settings of a type for buckets, by name; with UNKNOWN also settings of a bucket still unknown."""
    return [each for each in of_type(stack, token) if each.look("bucket") in buckets]


def versioned(stack: Stack, bucket: Any) -> Facts:
    """Check that the stack has a bucket's versioning, and that it is enabled."""
    if bucket is UNKNOWN:
        return
    settings = settings_of(stack, VERSIONING, bucket, UNKNOWN)
    if not settings:
        yield f"bucket {bucket} has no BucketVersioning"
    for each in settings:
        for fact in must_be("versioningConfiguration.status", "Enabled")(each):
            yield f"bucket {bucket}: {fact}"


def source_versioned(replication: Resource, stack: Stack) -> Facts:
    """Check that the source bucket has versioning."""
    yield from versioned(stack, replication.look("bucket"))


def destination_versioned(replication: Resource, stack: Stack) -> Facts:
    """Check that each destination bucket has versioning."""
    for _, destination in rules_of(replication):
        yield from versioned(stack, destination)


def bidirectional(replication: Resource, stack: Stack) -> Facts:
    """Check that each rule has a counterpart in the reverse direction."""
    source = replication.look("bucket")
    if source is UNKNOWN:
        return
    for _, destination in rules_of(replication):
        targets = {name for each in settings_of(stack, REPLICATION, destination, UNKNOWN) for _, name in rules_of(each)}
        if source not in targets:
            yield f"{source} is replicated to {destination}, but no enabled rule replicates {destination} to {source}"


def other_region(replication: Resource, stack: Stack) -> Facts:
    """Check that the destination bucket is in another region."""
    for _, destination in rules_of(replication):
        for bucket in settings_of(stack, VERSIONING, destination):
            if bucket.region == replication.region and bucket.region is not UNKNOWN:
                yield f"{replication.look('bucket')} and {destination} are both in {bucket.region}"


def names_keys(replication: Resource, stack: Stack) -> Facts:
    """Check that, if a bucket uses KMS by default, the rule selects such objects and names the replica's key."""
    for rule, destination in rules_of(replication):
        pair = (replication.look("bucket"), destination)
        encrypted = [
            bucket
            for bucket in pair
            for setting in settings_of(stack, ENCRYPTION, bucket)
            for each in items(setting.look("rules"))
            if look(each, "applyServerSideEncryptionByDefault.sseAlgorithm") in ("aws:kms", "aws:kms:dsse")
        ]
        if not encrypted:
            continue
        selected = look(rule, "sourceSelectionCriteria.sseKmsEncryptedObjects.status")
        if selected not in ("Enabled", UNKNOWN):
            yield f"{encrypted[0]} is encrypted with KMS by default, but sseKmsEncryptedObjects is {shown(selected)}"
        if not look(rule, "destination.encryptionConfiguration.replicaKmsKeyId"):
            yield f"{encrypted[0]} is encrypted with KMS by default, but the rule has no replicaKmsKeyId"


RULES = (
    Rule(
        name="s3-replication-source-versioned",
        requirement="The source bucket of a replication rule must have versioning.",
        reason="S3 refuses the rule without it, and an overwrite would destroy data in both regions",
        remedy="create a BucketVersioning with status Enabled for the source",
        types=(REPLICATION,),
        check_in_stack=source_versioned,
    ),
    Rule(
        name="s3-replication-destination-versioned",
        requirement="The destination bucket of a replication rule must have versioning.",
        reason="S3 refuses the rule without it",
        remedy="create a BucketVersioning with status Enabled for the destination",
        types=(REPLICATION,),
        check_in_stack=destination_versioned,
    ),
    Rule(
        name="s3-replication-both-ways",
        requirement="Replication must be enabled in both directions.",
        reason="creating the reverse direction during a disaster needs a control plane that depends on us-east-1",
        remedy="add a rule to the destination that replicates to the source",
        types=(REPLICATION,),
        check_in_stack=bidirectional,
    ),
    Rule(
        name="s3-replication-another-region",
        requirement="A replica must be in a different region than its source.",
        reason="two buckets in one region are lost together",
        remedy="create the replica in the other region",
        types=(REPLICATION,),
        check_in_stack=other_region,
    ),
    Rule(
        name="s3-replication-kms-keys",
        requirement="Replication of KMS-encrypted buckets must select encrypted objects and name the replica's key.",
        reason="otherwise S3 skips objects that are encrypted with KMS",
        remedy="set sseKmsEncryptedObjects to Enabled, and replicaKmsKeyId to the key in the destination's region",
        types=(REPLICATION,),
        check_in_stack=names_keys,
    ),
    Rule(
        name="s3-bucket-tls-only",
        requirement="A bucket must deny requests without TLS.",
        reason="training data and models must not be sent unencrypted",
        remedy="add the deny statement to the bucket's BucketPolicy (components/iam.py, tls_only)",
        types=(BUCKET,),
        check_in_stack=setting_check("aws:s3/bucketPolicy:BucketPolicy", denies_without_tls),
    ),
    Rule(
        name="s3-bucket-public-access-blocked",
        requirement="A bucket must enable all four public access blocks.",
        reason="without each of them, one faulty policy or ACL makes data public",
        remedy="create a BucketPublicAccessBlock for the bucket with all four settings true",
        types=(BUCKET,),
        check_in_stack=setting_check("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", blocks_public_access),
    ),
    Rule(
        name="s3-bucket-owner-enforced",
        requirement="The owner of a bucket must own every object in it.",
        reason="policies and replication may not apply to an object with another owner or with an ACL",
        remedy="create BucketOwnershipControls for the bucket with objectOwnership BucketOwnerEnforced",
        types=(BUCKET,),
        check_in_stack=setting_check(
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            must_be("rule.objectOwnership", "BucketOwnerEnforced"),
        ),
    ),
    Rule(
        name="s3-bucket-noncurrent-retention",
        requirement=f"A bucket must keep noncurrent versions for at least {NONCURRENT_DAYS} days and then expire them.",
        reason="they restore overwritten and deleted objects, and are charged in both regions until they expire",
        remedy="set noncurrentDays of the bucket pair in dr:buckets",
        types=(BUCKET,),
        check_in_stack=setting_check(
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", keeps_noncurrent
        ),
    ),
    Rule(
        name="kms-key-rotation-enabled",
        requirement="A KMS key must rotate every year.",
        reason="it limits the data that one leaked key can decrypt",
        remedy="set enableKeyRotation to true",
        types=("aws:kms/key:Key",),
        check=must_be("enableKeyRotation", True),
    ),
)
