"""Publishing a model set: its objects first, each with S3's own SHA-256, then the manifest by a conditional write."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dr.clients import calls, client, write_once
from dr.data import model_sets
from dr.data.copies import check
from dr.data.hashes import CHUNK
from dr.data.model_sets import Entry, Manifest, Probe, Report, digest_of, folder
from dr.errors import Failed, Problem
from dr.names import REGISTRY

WORKERS = 8
PART_BYTES = 64 << 20
"""Files above this size are uploaded in parts of at least this size."""
MAX_PARTS = 10_000
"""Parts of an upload (Amazon S3 user guide, "Amazon S3 multipart upload limits")."""


@dataclass(frozen=True)
class Item:
    """A file to publish in a set.

    Args:
        part: Its part: "data", "parameters", "metrics", "model".
        pair: The bucket pair to store it in.
        path: Local path.
        name: Its path in the set; by default the file's name.
    """

    part: str
    pair: str
    path: Path
    name: str = ""

    @property
    def key(self) -> str:
        """Its key below the version's prefix."""
        return self.name or self.path.name


@dataclass(frozen=True)
class Hashed:
    """Hashes of a file.

    Args:
        size: Size in bytes.
        sha256: SHA-256 of its bytes, hexadecimal.
        checksum: What S3 reports for an upload in parts; empty for a file that is uploaded as one.
    """

    size: int
    sha256: str
    checksum: str = ""


def part_bytes(size: int) -> int:
    """Return the size of the parts of an upload: the least multiple of `PART_BYTES` that S3's limit allows. Pure."""
    return PART_BYTES * max(1, -(-size // (PART_BYTES * MAX_PARTS)))


def hashed(path: Path) -> Hashed:
    """Return the hashes of a file, which is read once."""
    size = path.stat().st_size
    limit = part_bytes(size)
    whole, part, parts, left = hashlib.sha256(), hashlib.sha256(), list[bytes](), limit
    with path.open("rb") as file:
        while chunk := file.read(min(CHUNK, left)):
            whole.update(chunk)
            part.update(chunk)
            left -= len(chunk)
            if not left:
                parts.append(part.digest())
                part, left = hashlib.sha256(), limit
    if left < limit:
        parts.append(part.digest())
    if size <= PART_BYTES:
        return Hashed(size, whole.hexdigest())
    joined = base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
    return Hashed(size, whole.hexdigest(), f"{joined}-{len(parts)}")


def publish(
    region: str,
    buckets: Mapping[str, str],
    name: str,
    items: Sequence[Item],
    report: Report = lambda text, share: None,
    probe: Probe | None = None,
    image: str = "",
) -> Manifest:
    """Publish a set: upload its objects in parallel, then the manifest. An intact version with equal content is kept.

    Args:
        region: The region to write to.
        buckets: Names of the region's buckets by pair; must include each item's pair and the registry.
        name: The set's name.
        items: Its files; each key once.
        report: Called with a text and the completed share, 0 to 1.
        probe: A request with its known answer.
        image: Digest of the image that serves the model.

    Returns:
        The manifest; that of the newest version if it is intact and has the same content.

    Raises:
        Conflict: Another process wrote the manifest of the same version.
        Failed: S3 refused an object, or a file changed meanwhile.
        Unreachable: The region does not answer.
    """
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        hashes = dict(zip((item.key for item in items), pool.map(hashed, (item.path for item in items)), strict=True))
    digest = digest_of({key: each.sha256 for key, each in hashes.items()})
    before = model_sets.newest(region, buckets, name)
    same = before and (before.digest, before.probe, before.image) == (digest, probe, image)
    if before and same and all(copy.intact for copy in check(region, buckets, before.entries)):
        return before
    now = datetime.now(UTC)
    set_id = new_id(now, digest)

    def upload(item: Item) -> Entry:
        key, found = f"{folder(name, set_id)}{item.key}", hashes[item.key]
        version = _upload(region, buckets[item.pair], key, item.path, found)
        return Entry(item.part, item.pair, key, version, found.size, found.sha256, found.checksum)

    entries: list[Entry] = []
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for entry in pool.map(upload, items):
            entries.append(entry)
            report(f"{len(entries)} of {len(items)} objects", len(entries) / (len(items) + 1))
    created = now.isoformat(timespec="seconds")
    manifest = Manifest(name, set_id, created, digest, tuple(entries), probe, image=image)
    write_once(region, buckets[REGISTRY], manifest.key, manifest.to_json().encode())
    return manifest


def new_id(now: datetime, digest: str) -> str:
    """Return the ID of a new version; IDs sort by time. Pure."""
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{digest[:8]}"


def _upload(region: str, bucket: str, key: str, path: Path, found: Hashed) -> str:
    """Upload a file, and return its version ID. S3 refuses bytes that do not have the hash (S3 API, "PutObject")."""
    from boto3.exceptions import S3UploadFailedError
    from boto3.s3.transfer import TransferConfig

    s3, subject = client("s3", region), f"s3://{bucket}/{key}"
    with calls(subject, region):
        if not found.checksum:
            sha256 = base64.b64encode(bytes.fromhex(found.sha256)).decode()
            with path.open("rb") as body:
                checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": sha256}
                return str(s3.put_object(Bucket=bucket, Key=key, Body=body, **checksum)["VersionId"])
        chunk = part_bytes(found.size)
        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=chunk)
        try:
            s3.upload_file(str(path), bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"}, Config=config)
        except S3UploadFailedError as error:
            if error.__context__ is not None:
                raise error.__context__ from error
            raise
        # The key is new and unique, so its newest version is the one just written.
        head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    if head.get("ChecksumSHA256") != found.checksum:
        fact = f"S3 has the checksum {head.get('ChecksumSHA256')}, but the file had {found.checksum} when it was read"
        raise Failed(Problem(subject, fact, "let no process change the file, and publish again"))
    return str(head["VersionId"])
