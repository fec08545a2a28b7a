"""S3: regions, defaults of a new bucket, keys, policies with conditions, lifecycle and retention."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import Any
from urllib.parse import unquote

from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.s3.models import FakeBucket, FakeKey, PublicAccessBlock

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.keys import denied, unusable
from sandbox.aws.call import Call, NotEmulatedError, find_bucket, is_signed, object_version
from sandbox.aws.extensions import Moto, answers

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

DEFAULT_ENCRYPTION: dict[str, Any] = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}
"""SSE-S3, the default of every bucket since January 2023."""


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
    """Refuse anonymous requests (S3 API reference, "GET Service": anonymous requests cannot list buckets)."""
    if not is_signed(call.environ):
        raise AwsError("AccessDenied", "Access Denied", 403)
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


@answers("s3", "PutObject", "CreateMultipartUpload", "CopyObject", "UploadPartCopy")
def write_object(call: Call, moto: Moto) -> Answer:
    """Refuse a KMS key that does not exist in the bucket's region, is not enabled, or may not be used.

    A copy also decrypts its source (S3 user guide, "Using server-side encryption with AWS KMS keys").
    """
    if call.operation in ("CopyObject", "UploadPartCopy"):
        _refuse_unreachable_source(call)
        _refuse_undecryptable_source(call)
    if call.bucket:
        default = (call.bucket.encryption or DEFAULT_ENCRYPTION)["Rule"]["ApplyServerSideEncryptionByDefault"]
        algorithm = call.environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION")
        key = call.environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID")
        if (algorithm or default["SSEAlgorithm"]).startswith("aws:kms"):
            _refuse_unusable_key(key or default.get("KMSMasterKeyID"), call.bucket.region_name, "kms:GenerateDataKey")
    _refuse_other_bytes(call)
    return moto()


@answers("s3", "GetObject", "HeadObject")
def read_object(call: Call, moto: Moto) -> Answer:
    """Add the replication status; refuse to read an object or its checksum if its key is unusable.

    A checksum is encrypted with the object's key (S3 API, HeadObject, "ChecksumMode").
    """
    version = object_version(call)
    by_checksum = call.environ.get("HTTP_X_AMZ_CHECKSUM_MODE") == "ENABLED"
    if call.bucket and isinstance(version, FakeKey) and (call.operation == "GetObject" or by_checksum):
        _refuse_undecryptable(version, call.bucket)
    answer = moto()
    if status := getattr(version, "replication_status", None):
        answer.headers["x-amz-replication-status"] = status
    if by_checksum and isinstance(version, FakeKey) and version.checksum_type == "COMPOSITE" and answer.status < 300:
        _mark_composite(version, answer)
    return answer


@answers("s3", "GetObjectRetention")
def get_object_retention(call: Call, moto: Moto) -> dict[str, Any]:
    version = object_version(call)
    if not isinstance(version, FakeKey):
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    if not version.lock_mode:
        raise AwsError(
            "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration", 404
        )
    return {"Retention": {"Mode": version.lock_mode, "RetainUntilDate": version.lock_until}}


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


def _mark_composite(version: FakeKey, answer: Answer) -> None:
    """Append the number of parts to a checksum of an upload in parts, which moto does for GetObject only.

    S3 user guide, "Checking object integrity in Amazon S3": a composite checksum ends with a dash and that number.
    """
    header = f"x-amz-checksum-{str(version.checksum_algorithm).lower()}"
    answer.headers[header] = f"{version.checksum_value}-{version.checksum_parts}"
    answer.headers["x-amz-checksum-type"] = "COMPOSITE"


def _refuse_unusable_key(key: str | None, region: str, action: str) -> None:
    # Without a key id S3 uses the account's aws/s3 key, which always exists.
    if not key or key.endswith("alias/aws/s3"):
        return
    if problem := unusable(key, region):
        raise AwsError(f"KMS.{problem.code}", problem.message, 400)
    if problem := denied(key, region, action):
        raise problem


def _refuse_undecryptable(version: FakeKey, bucket: FakeBucket) -> None:
    if (version.encryption or "").startswith("aws:kms"):
        _refuse_unusable_key(version.kms_key_id, bucket.region_name, "kms:Decrypt")


def _refuse_undecryptable_source(call: Call) -> None:
    name, _, rest = unquote(call.environ["HTTP_X_AMZ_COPY_SOURCE"]).lstrip("/").partition("/")
    key, _, wanted = rest.partition("?versionId=")
    source = find_bucket(name)
    if source is None:
        return
    for version in reversed(source.keys.getlist(key, [])):
        if isinstance(version, FakeKey) and wanted in ("", version.version_id):
            _refuse_undecryptable(version, source)
            return


def _refuse_other_bytes(call: Call) -> None:
    """Refuse bytes that do not have the SHA-256 in the header (S3 API, PutObject, "ChecksumSHA256")."""
    stated = call.environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
    chunked = "aws-chunked" in call.environ.get("HTTP_CONTENT_ENCODING", "")
    if call.operation != "PutObject" or not stated or chunked:
        return
    if stated != base64.b64encode(hashlib.sha256(call.body).digest()).decode():
        raise AwsError("BadDigest", "The SHA256 you specified did not match the calculated checksum.", 400)


def _refuse_unreachable_source(call: Call) -> None:
    source = find_bucket(call.environ["HTTP_X_AMZ_COPY_SOURCE"].lstrip("/").partition("/")[0])
    if source and call.world.faults.unreachable(source.region_name):
        raise AwsError("ServiceUnavailable", f"{source.region_name}, the region of the source, cannot be reached", 503)


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
