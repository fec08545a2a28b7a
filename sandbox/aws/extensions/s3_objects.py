"""S3: writing and reading objects: keys, checksums, conditions, retention."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import unquote

from moto.s3.models import FakeBucket, FakeKey
from moto.s3.utils import _VersionedKeyStore, compute_checksum

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.keys import denied, unusable
from sandbox.aws.call import Call, find_bucket, object_version
from sandbox.aws.extensions import Moto, answers

DEFAULT_ENCRYPTION: dict[str, Any] = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}
"""SSE-S3, the default of every bucket since January 2023."""


def _set_versions(self: _VersionedKeyStore, key: str, versions: list[Any]) -> None:
    """Replace the versions of a key. moto searches the new list for each old version, so a write takes time by their
    number squared: a state that is written once a minute has 1,440 a day.
    """
    kept = {id(each) for each in versions}
    for each in self.getlist(key, []):
        if id(each) not in kept and hasattr(each, "dispose"):
            each.dispose()
    dict.__setitem__(self, key, versions)


_VersionedKeyStore.setlist = _set_versions  # type: ignore[method-assign, assignment]


@answers("s3", "PutObject", "CreateMultipartUpload", "CopyObject", "UploadPartCopy")
def write_object(call: Call, moto: Moto) -> Answer:
    """Refuse a KMS key that does not exist in the bucket's region, is not enabled, or may not be used.

    A copy also decrypts its source (S3 user guide, "Using server-side encryption with AWS KMS keys").
    """
    if call.operation in ("CopyObject", "UploadPartCopy"):
        _refuse_unreachable_source(call)
        _refuse_undecryptable_source(call)
    if call.operation == "CopyObject":
        _refuse_unmet_condition(call)
    if call.bucket:
        default = (call.bucket.encryption or DEFAULT_ENCRYPTION)["Rule"]["ApplyServerSideEncryptionByDefault"]
        algorithm = call.environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION")
        key = call.environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID")
        if (algorithm or default["SSEAlgorithm"]).startswith("aws:kms"):
            _refuse_unusable_key(key or default.get("KMSMasterKeyID"), call.bucket.region_name, "kms:GenerateDataKey")
    _refuse_other_bytes(call)
    answer = moto()
    if call.operation == "CopyObject" and answer.status < 300:
        _keep_checksum(call)
    return answer


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


def _source(call: Call) -> tuple[FakeBucket, FakeKey] | None:
    """The bucket and the version that a copy reads; None if it does not exist."""
    path, _, wanted = call.environ["HTTP_X_AMZ_COPY_SOURCE"].partition("?versionId=")
    name, _, key = unquote(path).lstrip("/").partition("/")
    source = find_bucket(name)
    for version in reversed(source.keys.getlist(key, [])) if source else ():
        if source and isinstance(version, FakeKey) and wanted in ("", version.version_id):
            return source, version
    return None


def _refuse_undecryptable_source(call: Call) -> None:
    if found := _source(call):
        source, version = found
        _refuse_undecryptable(version, source)


def _refuse_unmet_condition(call: Call) -> None:
    """Refuse a copy onto an object that its conditions exclude (S3 API, CopyObject, "IfMatch", "IfNoneMatch")."""
    versions = call.bucket.keys.getlist(call.uri["Key"], []) if call.bucket else []
    current = versions[-1] if versions and isinstance(versions[-1], FakeKey) else None
    wanted = call.environ.get("HTTP_IF_MATCH")
    refused = AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
    if wanted and current is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    if wanted and current and wanted.strip('"') != str(current.etag).strip('"'):
        raise refused
    if call.environ.get("HTTP_IF_NONE_MATCH") == "*" and current is not None:
        raise refused


def _keep_checksum(call: Call) -> None:
    """Give a copy the checksum algorithm of its source (S3 API, CopyObject, "ChecksumAlgorithm").

    A copy is one object, also of a source that was uploaded in parts: its checksum is that of its bytes.
    """
    found, copied = _source(call), call.bucket.keys.get(call.uri["Key"]) if call.bucket else None
    if found and isinstance(copied, FakeKey) and not copied.checksum_value and found[1].checksum_algorithm:
        algorithm = str(found[1].checksum_algorithm)
        copied.checksum_algorithm = algorithm
        copied.checksum_value = compute_checksum(copied.value, algorithm=algorithm).decode()


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
