"""Whether two object versions have equal content, by what S3 has of both. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dr.clients import calls, client
from dr.data.versions import Version

STRONG = "SHA256"
FORGEABLE = ("CRC64NVME", "CRC32C", "CRC32", "SHA1")
"""Checksums for which an attacker can make other content."""


def equal(region: str, bucket: str, one: Version, other: Version, *, forgeable: bool) -> bool:
    """Return whether two versions of equal size have equal content; False if that is not known.

    Args:
        region: Region of the bucket.
        bucket: The bucket.
        one: A version.
        other: Another version.
        forgeable: Whether checksums other than SHA-256, and ETags, count too. An ETag is the MD5 of an object that was
            written as one and that no KMS key encrypts (S3 API, "Object").

    Raises:
        Missing: A version does not exist.
        Denied: A version's KMS key may not be used.
        Unreachable: The region does not answer.
    """
    before, after = (_head(region, bucket, each) for each in (one, other))
    for algorithm in (STRONG, *(FORGEABLE if forgeable else ())):
        values = [str(head.get(f"Checksum{algorithm}", "")) for head in (before, after)]
        # A checksum of parts cannot be compared with one of the whole object.
        if all(values) and len({"-" in value for value in values}) == 1:
            return values[0] == values[1]
    return forgeable and one.etag == other.etag


def _head(region: str, bucket: str, version: Version) -> Mapping[str, Any]:
    with calls(f"s3://{bucket}/{version.key}", region):
        head: Mapping[str, Any] = client("s3", region).head_object(
            Bucket=bucket, Key=version.key, VersionId=version.version_id, ChecksumMode="ENABLED"
        )
    return head
