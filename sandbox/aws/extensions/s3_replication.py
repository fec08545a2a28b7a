"""S3: replication configurations, checked as AWS does and returned as written."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.replication_rules import (
    BUCKET_ARN,
    copies_delete_markers,
    destination_of,
    selects_kms,
    tags_of,
)
from sandbox.aws.call import Call, find_bucket
from sandbox.aws.extensions import Moto, answers


@answers("s3", "PutBucketReplication")
def put_replication(call: Call, moto: Moto) -> Answer:
    if call.bucket is None:
        return moto()
    if not call.bucket.is_versioned:
        raise _invalid("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    configuration = call.parameters["ReplicationConfiguration"]
    rules = configuration.get("Rules", [])
    if not rules:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate: it has no Rule")
    for rule in rules:
        _check(rule, call)
        rule.setdefault("ID", secrets.token_urlsafe(30))
    _check_together(rules)
    call.bucket.replication = configuration  # type: ignore[attr-defined]
    return Answer(200)


@answers("s3", "GetBucketReplication")
def get_replication(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    configuration = getattr(call.bucket, "replication", None)
    return {"ReplicationConfiguration": configuration} if configuration else moto()


@answers("s3", "PutBucketVersioning")
def put_versioning(call: Call, moto: Moto) -> Answer:
    """Refuse to suspend versioning under a replication configuration or Object Lock."""
    suspends = call.parameters["VersioningConfiguration"].get("Status") == "Suspended"
    if call.bucket and suspends and getattr(call.bucket, "replication", None):
        raise AwsError(
            "InvalidBucketState",
            "A replication configuration is present on this bucket, so you cannot change the versioning state. "
            "To change the versioning state, first delete the replication configuration.",
            409,
        )
    if call.bucket and suspends and call.bucket.object_lock_enabled:
        text = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        raise AwsError("InvalidBucketState", text, 409)
    return moto()


def _check(rule: dict[str, Any], call: Call) -> None:
    if "Filter" in rule and "DeleteMarkerReplication" not in rule:
        schema = "this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide"
        raise _invalid(f"DeleteMarkerReplication must be specified for {schema} for more information.")
    if tags_of(rule) and copies_delete_markers(rule):
        advice = "Please refer to S3 Developer Guide for more information."
        raise _invalid(f"Delete marker replication is not supported if any Tag filter is specified. {advice}")
    key = rule["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
    if key and not selects_kms(rule):
        raise _invalid("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.")
    if selects_kms(rule) and not key:
        raise _invalid("ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.")
    if not str(rule["Destination"]["Bucket"]).startswith(BUCKET_ARN):
        raise AwsError("InvalidArgument", "Invalid bucket ARN.")
    name = destination_of(rule)
    destination = find_bucket(name)
    if destination is None:
        raise _invalid("Destination bucket must exist.")
    if name == call.uri["Bucket"]:
        raise _invalid("Destination bucket cannot be the same as the source bucket.")
    if not destination.is_versioned:
        raise _invalid("Destination bucket must have versioning enabled.")
    if call.bucket and call.bucket.object_lock_enabled and not destination.object_lock_enabled:
        raise _invalid(f"Object Lock is enabled on {call.bucket.name}; it must be enabled on {name} too.")


def _check_together(rules: list[dict[str, Any]]) -> None:
    identifier, times = Counter(rule["ID"] for rule in rules).most_common(1)[0]
    if times > 1:
        raise AwsError("InvalidArgument", f"Rule Id must be unique. Found same Id for more than one rule: {identifier}")
    ranked = Counter((destination_of(rule), rule["Priority"]) for rule in rules if "Priority" in rule)
    for (name, priority), times in ranked.items():
        if times > 1:
            raise _invalid(f"{times} rules to {name} have priority {priority}; each needs its own.")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequest", message)
