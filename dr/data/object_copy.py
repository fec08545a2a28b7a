"""Server-side copies of object versions: as a new version, with metadata and tags, of any size.

S3 copies an object of up to 5 GB by one request, with its metadata and tags; a larger one in parts, without them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dr.clients import Limits, calls, client

LARGEST_COPY = 5 << 30
"""Largest object in bytes that one CopyObject accepts (Amazon S3 API reference, "CopyObject")."""
PART_BYTES = 512 << 20
"""Part size of a multipart copy in bytes: with S3's maximum of 10,000 parts, objects may have 5 TB."""
CONCURRENCY = 16
LIMITS = Limits(read=120, attempts=5)
"""Limits of many copies: S3 answers a copy of a large object after minutes, and slows down fast callers."""
METADATA = ("ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl", "Metadata")


@dataclass(frozen=True, slots=True)
class Source:
    """An object version to copy.

    Args:
        region: Region of its bucket.
        bucket: Its bucket.
        key: Its key.
        version_id: Its version ID.
        size: Size in bytes.
    """

    region: str
    bucket: str
    key: str
    version_id: str
    size: int

    @property
    def _name(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "VersionId": self.version_id}


@dataclass(frozen=True)
class Copied:
    """A new version.

    Args:
        version_id: Its version ID.
        sha256: S3's SHA-256 of its bytes, hexadecimal; empty if S3 has none.
    """

    version_id: str
    sha256: str = ""


def copy(
    source: Source,
    region: str,
    bucket: str,
    key: str,
    options: Mapping[str, str] | None = None,
    part_bytes: int = 0,
) -> Copied:
    """Copy an object version.

    Args:
        source: The version.
        region: Region of the target.
        bucket: Bucket of the target.
        key: Key of the target.
        options: Further parameters of the request: a checksum algorithm, a storage class, a condition. Conditions do
            not apply to copies in parts.
        part_bytes: Part size of a copy in parts; 0 for `PART_BYTES`.

    Raises:
        Missing: The version does not exist.
        Denied: A permission is missing.
        Conflict: A condition does not hold.
        Unreachable: A region does not answer.
    """
    s3, extra = client("s3", region), dict(options or {})
    with calls(f"s3://{source.bucket}/{source.key}", region):
        if source.size > LARGEST_COPY:
            return _in_parts(s3, source, bucket, key, extra, part_bytes or PART_BYTES)
        done = s3.copy_object(Bucket=bucket, Key=key, CopySource=source._name, **extra)
    sha256 = done["CopyObjectResult"].get("ChecksumSHA256", "")
    return Copied(str(done.get("VersionId", "")), base64.b64decode(sha256).hex())


def _in_parts(s3: Any, source: Source, bucket: str, key: str, extra: dict[str, str], part_bytes: int) -> Copied:
    """Copy by boto3's managed copy, which unlike CopyObject copies neither metadata nor tags by itself."""
    from boto3.s3.transfer import TransferConfig

    read = client("s3", source.region)
    head = read.head_object(**source._name)
    kept = {name: head[name] for name in METADATA if head.get(name)}
    if tags := read.get_object_tagging(**source._name)["TagSet"]:
        # Newer versions of boto3 write the tags after the copy, and only with a directive.
        kept |= {"Tagging": urlencode({each["Key"]: each["Value"] for each in tags}), "TaggingDirective": "REPLACE"}
    options = {name: value for name, value in extra.items() if name not in ("IfMatch", "IfNoneMatch")}
    config = TransferConfig(
        multipart_threshold=LARGEST_COPY, multipart_chunksize=part_bytes, max_concurrency=CONCURRENCY
    )
    s3.copy(source._name, bucket, key, ExtraArgs={**kept, **options}, SourceClient=read, Config=config)
    return Copied(str(s3.head_object(Bucket=bucket, Key=key)["VersionId"]))
