"""SHA-256 of objects and files, as manifests and as S3 write it. Bytes are streamed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.clients import Missing, calls, client

CHUNK = 1 << 20


@dataclass(frozen=True)
class Stored:
    """S3's own SHA-256 of an object version.

    Args:
        whole: SHA-256 of its bytes, hexadecimal; empty if S3 has none.
        parts: SHA-256 of its parts' SHA-256 in base64, and the number of parts; empty unless it was written in parts.
    """

    whole: str = ""
    parts: str = ""


def stored(region: str, bucket: str, key: str, version_id: str) -> Stored:
    """Return S3's own SHA-256 of an object version, which S3 verified when the object was written.

    An object that was written in parts has only a hash of the parts' hashes (S3 user guide, "Checking object integrity
    in Amazon S3": of multipart uploads, SHA-256 supports composite checksums only).

    Raises:
        Missing: The version does not exist.
        Denied: The object's KMS key may not be used, which the checksum needs (S3 API, HeadObject, "ChecksumMode").
        Unreachable: The region does not answer.
    """
    with calls(f"s3://{bucket}/{key}", region):
        head = client("s3", region).head_object(Bucket=bucket, Key=key, VersionId=version_id, ChecksumMode="ENABLED")
    return _stored(head)


def _stored(head: Mapping[str, Any]) -> Stored:
    value = str(head.get("ChecksumSHA256", ""))
    if "-" in value or head.get("ChecksumType") == "COMPOSITE":
        return Stored(parts=value)
    return Stored(base64.b64decode(value).hex())


@dataclass(frozen=True)
class Current:
    """An object as it is now.

    Args:
        version_id: Its version ID.
        size: Size in bytes.
        stored: S3's own SHA-256 of it.
    """

    version_id: str
    size: int
    stored: Stored


def current(region: str, bucket: str, key: str) -> Current | None:
    """Return an object as it is now; None without one.

    Raises:
        Denied: The object's KMS key may not be used.
        Unreachable: The region does not answer.
    """
    try:
        with calls(f"s3://{bucket}/{key}", region):
            head = client("s3", region).head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except Missing:
        return None
    return Current(str(head.get("VersionId", "")), int(head["ContentLength"]), _stored(head))


def hash_object(region: str, bucket: str, key: str, version_id: str) -> str:
    """Return the SHA-256 of an object's bytes, hexadecimal, after reading them.

    Raises:
        Missing: The version does not exist.
        Unreachable: The region does not answer.
    """
    hasher = hashlib.sha256()
    with calls(f"s3://{bucket}/{key}", region):
        answer = client("s3", region).get_object(Bucket=bucket, Key=key, VersionId=version_id)
        for chunk in answer["Body"].iter_chunks(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
