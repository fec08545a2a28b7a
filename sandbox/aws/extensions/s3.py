"""S3: regions, defaults of a new bucket, keys, policies with conditions, lifecycle and retention."""

from __future__ import annotations

import json
import uuid
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.s3.models import FakeBucket, PublicAccessBlock

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.call import Call, NotEmulatedError, find_bucket, is_signed
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.s3_objects import DEFAULT_ENCRYPTION

ROUTED = frozenset(
    {
        *("ListBuckets", "CreateBucket", "HeadBucket", "DeleteBucket", "GetBucketLocation"),
        *("ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts"),
        *("GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects", "RestoreObject"),
        *("GetObjectAttributes", "SelectObjectContent", "GetObjectAcl", "PutObjectAcl"),
        *("GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
        *("GetObjectLegalHold", "PutObjectLegalHold", "GetObjectRetention", "PutObjectRetention"),
        *("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload"),
        *("GetBucketVersioning", "PutBucketVersioning", "GetBucketPolicyStatus", "GetBucketAcl", "PutBucketAcl"),
        *("GetBucketLogging", "PutBucketLogging", "GetBucketRequestPayment"),
        *("GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration"),
        *("GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration"),
        *("GetObjectLockConfiguration", "PutObjectLockConfiguration"),
        *("GetBucketInventoryConfiguration", "PutBucketInventoryConfiguration", "ListBucketInventoryConfigurations"),
        *(f"{verb}Bucket{of}" for verb in ("Get", "Put", "Delete") for of in ("Policy", "Website", "Tagging", "Cors")),
        *(f"{verb}Bucket{of}" for verb in ("Get", "Put", "Delete") for of in ("Encryption", "Replication")),
        *(f"{verb}BucketOwnershipControls" for verb in ("Get", "Put", "Delete")),
        *(f"{verb}PublicAccessBlock" for verb in ("Get", "Put", "Delete")),
        *("GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
    }
)
"""Operations that moto routes correctly, or that an extension answers; all others are refused.

moto takes a request with an unknown subresource for the plain operation of the same method: it creates, deletes or
lists the bucket.
"""


def writes(call: Call) -> bool:
    """Whether a request changes S3. Of two concurrent changes of a key, moto loses one version."""
    return call.service == "s3" and call.method in ("PUT", "POST", "DELETE")


def refuse_misrouted(call: Call) -> None:
    """Refuse operations that moto would confuse with others; redirect to the bucket's region. Raises AwsError."""
    if call.service != "s3" or call.model is None:
        return
    if call.operation not in ROUTED:
        raise NotEmulatedError(call)
    bucket = call.bucket
    if bucket and bucket.region_name != call.region and call.operation not in ("CreateBucket", "GetBucketLocation"):
        raise AwsError(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint.",
            301,
            {"x-amz-bucket-region": bucket.region_name},
        )


@answers("s3", "ListBuckets")
def list_buckets(call: Call, moto: Moto) -> Answer:
    """Redirect anonymous requests to the product's page.

    Source: answers of `curl -i https://s3.us-east-1.amazonaws.com`, published in 2021; the documentation only says that
    anonymous requests cannot list buckets (S3 API reference, "GET Service").
    """
    if not is_signed(call.environ):
        return Answer(307, headers={"Location": "https://aws.amazon.com/s3/"})
    return moto()


@answers("s3", "CreateBucket")
def create_bucket(call: Call, moto: Moto) -> Answer:
    """Give a new bucket its defaults: ACLs off and public access blocked (since April 2023), SSE-S3."""
    existed = call.bucket is not None
    answer = moto()
    bucket = find_bucket(call.uri["Bucket"])
    if bucket and not existed:
        bucket.ownership_rule = bucket.ownership_rule or "BucketOwnerEnforced"  # type: ignore[assignment]
        bucket.public_access_block = PublicAccessBlock("true", "true", "true", "true")
        bucket.encryption = DEFAULT_ENCRYPTION
    return answer


@answers("s3", "DeleteBucketEncryption")
def delete_bucket_encryption(call: Call, moto: Moto) -> Answer:
    answer = moto()
    if call.bucket:
        call.bucket.encryption = DEFAULT_ENCRYPTION
    return answer


@answers("s3", "GetBucketRequestPayment")
def request_payment(call: Call, moto: Moto) -> dict[str, Any]:
    """Return the owner, the default (API_GetBucketRequestPayment); the payer cannot be set in the sandbox."""
    if call.bucket is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    return {"Payer": "BucketOwner"}


@answers("s3", "PutBucketLifecycleConfiguration")
def put_lifecycle(call: Call, moto: Moto) -> Answer:
    """Let moto validate, and keep the whole document, of which moto drops parts."""
    document = call.parameters["LifecycleConfiguration"]
    answer = moto()
    if answer.status < 300:
        for rule in document.get("Rules", []):
            rule.setdefault("ID", str(uuid.uuid4()))
        minimum = call.parameters.get("TransitionDefaultMinimumObjectSize", "all_storage_classes_128K")
        vars(call.bucket)["lifecycle"] = document | {"TransitionDefaultMinimumObjectSize": minimum}
    return answer


@answers("s3", "GetBucketLifecycleConfiguration")
def get_lifecycle(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    answer = moto()
    return answer if answer.status >= 300 else vars(call.bucket)["lifecycle"]


def _permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Evaluate the bucket policy for an action.

    moto denies by every statement with a Condition, so a policy that only requires TLS would close the bucket. Here
    aws:SecureTransport is true, because loopback stands for TLS. A statement with any other condition, or for a
    single principal, does not apply.
    """
    statements = json.loads(bucket.policy)["Statement"] if bucket.policy else []
    results = {
        IAMPolicyStatement({**statement, "Condition": {}}).is_action_permitted(action, resource)
        for statement in (statements if isinstance(statements, list) else [statements])
        if _applies(statement)
    }
    for result in (PermissionResult.DENIED, PermissionResult.PERMITTED):
        if result in results:
            return result
    return PermissionResult.NEUTRAL


def _applies(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", "*")
    who = principal.get("AWS", []) if isinstance(principal, dict) else principal
    if who != "*" and (not isinstance(who, list) or "*" not in who):
        return False
    operators = list((statement.get("Condition") or {"Bool": {"aws:SecureTransport": "true"}}).items())
    (operator, tests), alone = operators[0], len(operators) == 1
    secure = {key.lower(): str(value).lower().strip("[]'") for key, value in tests.items()}
    return alone and operator.startswith("Bool") and secure == {"aws:securetransport": "true"}


FakeBucket.get_permission = _permission  # type: ignore[method-assign, assignment]
