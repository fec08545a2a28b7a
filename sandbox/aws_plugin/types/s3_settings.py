"""The settings of a bucket: one document each, put, read and deleted as a whole.

After internal/service/s3/bucket_*.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import Problem, Resource, ResourceType, Step

PASSES = ("NoSuchBucket", "OperationAborted", "Versioning must be 'Enabled' on the bucket")
"""A bucket, its versioning and other settings may be created at the same time."""


def _setting(token: str, word: str, body: str, properties: str, **rest: Any) -> ResourceType:
    """A setting kept by the operations `put_<word>`, `get_<word>` and `delete_<word>`.

    `body` is the member that holds the document in both directions; `put` and `rest` override irregular parts.
    """
    put: Step = rest.pop("put", Call(f"put_{word}", body))

    def read(resource: Resource) -> dict[str, Any]:
        return {"Bucket": resource.id, **resource.send(f"get_{word}", Bucket=resource.id)[body]}

    usual: dict[str, Any] = {
        "shape": body,
        "create": put,
        "read": read,
        "update": (("", put),),
        "delete": Call(f"delete_{word}"),
        "replace_on": frozenset({"bucket"}),
    }
    return ResourceType(
        token=token,
        service="s3",
        properties=f"bucket=Bucket:string! {properties}",
        identity="{Bucket}",
        retries=PASSES,
        **(usual | rest),
    )


def _put_versioning(resource: Resource) -> None:
    if resource.wanted["versioningConfiguration"]["status"] != "Disabled":
        Call("put_bucket_versioning")(resource)


def _read_versioning(resource: Resource) -> dict[str, Any] | None:
    answer = resource.send("get_bucket_versioning", Bucket=resource.id)
    configuration = {"Status": answer.get("Status", "Disabled")}
    if "MFADelete" in answer:
        configuration["MFADelete"] = answer["MFADelete"]
    return {"Bucket": resource.id, "VersioningConfiguration": configuration}


def _suspend_versioning(resource: Resource) -> None:
    if resource.state.get("versioningConfiguration", {}).get("status") == "Disabled":
        return
    try:
        suspended = {"Status": "Suspended"}
        resource.send("put_bucket_versioning", Bucket=resource.id, VersioningConfiguration=suspended)
    except Refused as error:
        if error.code != "InvalidBucketState":  # object lock keeps versioning on for ever
            raise


def _never_unversioned_again(inputs: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Problem]:
    status = inputs.get("versioningConfiguration", {}).get("status")
    old = before.get("versioningConfiguration", {}).get("status")
    if status == "Disabled" and old in ("Enabled", "Suspended"):
        yield (
            "versioningConfiguration.status",
            f"cannot be updated from {old!r} to 'Disabled': use 'Suspended', a versioned bucket stays one",
        )


VERSIONING = _setting(
    "aws:s3/bucketVersioning:BucketVersioning",
    "bucket_versioning",
    "VersioningConfiguration",
    "versioningConfiguration!{status! mfaDelete}",
    shape="PutBucketVersioningRequest",
    put=_put_versioning,
    read=_read_versioning,
    delete=_suspend_versioning,
    computed=frozenset({"versioningConfiguration.mfaDelete"}),
    allowed={"versioningConfiguration.status": ("Enabled", "Suspended", "Disabled")},
    checks=(_never_unversioned_again,),
)

ENCRYPTION = _setting(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucket_encryption",
    "ServerSideEncryptionConfiguration",
    """rules:set!{bucketKeyEnabled applyServerSideEncryptionByDefault{sseAlgorithm! kmsMasterKeyId}
                  blockedEncryptionTypes=BlockedEncryptionTypes.EncryptionType}""",
    computed=frozenset({"rules[].blockedEncryptionTypes"}),
)

PUBLIC_ACCESS = _setting(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "public_access_block",
    "PublicAccessBlockConfiguration",
    "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets",
    defaults=dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), False
    ),
)

OWNERSHIP = _setting(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "bucket_ownership_controls",
    "OwnershipControls",
    "rule=Rules.0!{objectOwnership!}",
)


def _read_policy(resource: Resource) -> dict[str, Any]:
    return {"Bucket": resource.id, "Policy": resource.send("get_bucket_policy", Bucket=resource.id)["Policy"]}


POLICY = _setting(
    "aws:s3/bucketPolicy:BucketPolicy",
    "bucket_policy",
    "",
    "policy:json!",
    shape="PutBucketPolicyRequest",
    read=_read_policy,
)


def _put_lifecycle(resource: Resource) -> None:
    arguments = resource.arguments("put_bucket_lifecycle_configuration", "LifecycleConfiguration")
    for rule in arguments["LifecycleConfiguration"]["Rules"]:
        if "Prefix" not in rule and not rule.get("Filter"):
            rule["Filter"] = {"Prefix": ""}  # a rule for everything still needs a filter
    resource.send("put_bucket_lifecycle_configuration", **arguments)


def _read_lifecycle(resource: Resource) -> dict[str, Any]:
    rules = resource.send("get_bucket_lifecycle_configuration", Bucket=resource.id)["Rules"]
    return {"Bucket": resource.id, "Rules": rules}


LIFECYCLE = _setting(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "bucket_lifecycle_configuration",
    "LifecycleConfiguration",
    """rules!{id! status! prefix
              filter{prefix tag{key! value!} objectSizeGreaterThan objectSizeLessThan
                     and{prefix tags objectSizeGreaterThan objectSizeLessThan}}
              expiration{date days expiredObjectDeleteMarker}
              transitions{date days storageClass!}
              noncurrentVersionExpiration{noncurrentDays! newerNoncurrentVersions}
              noncurrentVersionTransitions{noncurrentDays! newerNoncurrentVersions storageClass!}
              abortIncompleteMultipartUpload{daysAfterInitiation}}""",
    shape="BucketLifecycleConfiguration",
    put=_put_lifecycle,
    read=_read_lifecycle,
    delete=Call("delete_bucket_lifecycle"),
)

REPLICATION = _setting(
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    "bucket_replication",
    "ReplicationConfiguration",
    """role!
       rules!{id priority status! prefix
              filter{prefix tag{key! value!} and{prefix tags}}
              deleteMarkerReplication{status!} existingObjectReplication{status!}
              sourceSelectionCriteria{sseKmsEncryptedObjects{status!} replicaModifications{status!}}
              destination!{bucket! account storageClass
                           accessControlTranslation{owner!} encryptionConfiguration{replicaKmsKeyId!}
                           metrics{status! eventThreshold{minutes!}} replicationTime{status! time!{minutes!}}}}""",
    computed=frozenset({"rules[].id"}),
    checks=(matches("role", r"arn:aws[\w-]*:iam::\d{12}:role/.+", "the ARN of a role"),),
)


def _forget_retention(resource: Resource) -> None:
    """Remove the default retention; object lock cannot be disabled."""
    enabled = {"ObjectLockEnabled": "Enabled"}
    resource.send("put_object_lock_configuration", Bucket=resource.id, ObjectLockConfiguration=enabled)


OBJECT_LOCK = _setting(
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "object_lock_configuration",
    "ObjectLockConfiguration",
    "objectLockEnabled rule{defaultRetention!{mode days years}}",
    defaults={"objectLockEnabled": "Enabled"},
    replace_on=frozenset({"bucket", "objectLockEnabled"}),
    delete=_forget_retention,
)

TYPES = (
    VERSIONING,
    ENCRYPTION,
    PUBLIC_ACCESS,
    OWNERSHIP,
    POLICY,
    LIFECYCLE,
    REPLICATION,
    OBJECT_LOCK,
)
