"""Copies the registry's live objects to `backups/` in their own bucket, and writes a manifest of what it was.

One listing says what is live and what was copied before; what is new is copied by S3 itself, version by version, with
the bucket's own encryption. An object is copied once for all backups, so a run costs what changed. The manifest is
written after a second listing found every copy there, with its size: a run that is killed leaves copies that the next
one finds, and no manifest. Two runs at once copy the same to the same keys, and write a manifest each.

Hashes are S3's own, which it computes as it copies; where S3 has none of the whole object, after a copy in parts, the
copy is read.

Storage class GLACIER_IR, whatever the size. It bills 128 KB and 90 days at least (S3 user guide, "Understanding and
managing Amazon S3 storage classes"): a million small files are 128 GB a month, half a dollar at $0.004 a GB (S3
pricing page), and copies are kept longer than 90 days anyway. STANDARD_IA has the same least size and three times the
price. Nothing is ever deleted here: a role that could would be how backups are lost.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dr import environment
from dr.clients import Missing, Unreachable, calls, client
from dr.data import model_sets, registry_backup
from dr.data.registry_backup import OBJECTS, PREFIX, Backup, Saved
from dr.errors import DrError, Failed, Problem
from dr.pods.run import run, say

STORAGE_CLASS = "GLACIER_IR"
LARGEST_COPY = 5 << 30
"""Bytes that one CopyObject takes (Amazon S3 API reference, "CopyObject"); more goes in parts."""
PART_BYTES = 512 << 20
"""A part of a copy in parts: 10,000 of them, S3's most, are 5 TB."""
AT_ONCE = 16


@dataclass(frozen=True)
class Live:
    """A version of an object as a listing has it."""

    key: str
    version_id: str
    size: int
    etag: str

    @property
    def copy(self) -> str:
        """Where its copy belongs."""
        return registry_backup.copy_key(self.key, self.version_id, self.etag)


def main() -> None:
    """Back up the registry that the environment names."""
    given = environment.read("AWS_REGION", "REGISTRY_BUCKET")
    back_up(given["AWS_REGION"], given["REGISTRY_BUCKET"])


def back_up(region: str, bucket: str) -> Backup:
    """Copy what was not copied yet, and write the manifest.

    Args:
        region: The own region.
        bucket: Its registry bucket, versioned.

    Returns:
        The backup that was made.

    Raises:
        Failed: something could not be copied, or is not there afterwards; no manifest was written.
        Invalid: a key is too long for its copy.
        Unreachable: the region does not answer.
    """
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    listed = current(region, bucket)
    live = [each for each in listed.values() if not each.key.startswith(PREFIX)]
    lacking = [each for each in live if not _is_copied(each, listed)]
    say(f"{len(live)} live objects, {sum(each.size for each in live):,} bytes; {len(lacking)} are to be copied")
    _copy_all(region, bucket, lacking)
    copies = current(region, bucket, OBJECTS)
    _refuse_incomplete(bucket, live, copies)
    known = _hashes_of_newest(region, bucket)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        saved = tuple(pool.map(lambda each: _saved(region, bucket, each, copies[each.copy], known), live))
    backup = Backup(created, saved)
    with calls(f"s3://{bucket}/{backup.key}", region):
        client("s3", region).put_object(
            Bucket=bucket,
            Key=backup.key,
            Body=backup.to_json(),
            ContentType="application/json",
            IfNoneMatch="*",
        )
    say(f"{backup.key} lists {len(saved)} objects, all of them copied")
    return backup


def current(region: str, bucket: str, prefix: str = "") -> dict[str, Live]:
    """The current version of every object, by key; what has a delete marker on top has none."""
    with calls(f"s3://{bucket}/{prefix}", region):
        pages = client("s3", region).get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        return {
            found["Key"]: Live(found["Key"], found["VersionId"], found["Size"], found["ETag"])
            for page in pages
            for found in page.get("Versions", [])
            if found["IsLatest"]
        }


def _is_copied(live: Live, copies: Mapping[str, Live]) -> bool:
    copy = copies.get(live.copy)
    return copy is not None and copy.size == live.size


def _copy_all(region: str, bucket: str, lacking: Sequence[Live]) -> None:
    """Copy as many as can be: what cannot is said all at once."""
    problems: list[Problem] = []
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for pending in [pool.submit(_copy, region, bucket, each) for each in lacking]:
            try:
                each = pending.result()
                say(f"copied {each.key} {each.version_id}, {each.size:,} bytes")
            except Unreachable:
                pool.shutdown(cancel_futures=True)
                raise
            except DrError as error:
                problems += error.problems
    if problems:
        raise Failed(*problems)


def _copy(region: str, bucket: str, live: Live) -> Live:
    source = {"Bucket": bucket, "Key": live.key, "VersionId": live.version_id}
    s3 = client("s3", region)
    try:
        with calls(f"s3://{bucket}/{live.key}", region):
            if live.size <= LARGEST_COPY:
                s3.copy_object(
                    Bucket=bucket,
                    Key=live.copy,
                    CopySource=source,
                    StorageClass=STORAGE_CLASS,
                    ChecksumAlgorithm="SHA256",
                )
            else:
                _copy_in_parts(s3, source, bucket, live)
    except Missing as error:
        fact = f"version {live.version_id} was deleted for good while it was to be copied"
        raise Failed(Problem(f"s3://{bucket}/{live.key}", fact, "the next run lists anew, and finishes")) from error
    return live


def _copy_in_parts(s3: Any, source: Mapping[str, str], bucket: str, live: Live) -> None:
    """boto3's managed copy; what describes the object does not go along by itself, as it does with CopyObject."""
    from boto3.s3.transfer import TransferConfig

    of_source = s3.head_object(**source)
    kept = ("ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl", "Metadata")
    extra = {name: of_source[name] for name in kept if of_source.get(name)}
    config = TransferConfig(multipart_threshold=LARGEST_COPY, multipart_chunksize=PART_BYTES, max_concurrency=AT_ONCE)
    s3.copy(dict(source), bucket, live.copy, ExtraArgs={"StorageClass": STORAGE_CLASS, **extra}, Config=config)


def _refuse_incomplete(bucket: str, live: list[Live], copies: Mapping[str, Live]) -> None:
    if gone := [each for each in live if not _is_copied(each, copies)]:
        raise Failed(
            *(
                Problem(
                    f"s3://{bucket}/{each.copy}",
                    f"the copy of {each.key} {'has another size' if each.copy in copies else 'is not there'}",
                    "look who else writes below backups/, and run again; no manifest was written",
                )
                for each in gone
            )
        )


def _hashes_of_newest(region: str, bucket: str) -> dict[tuple[str, str], str]:
    """What the newest manifest says of each version of a copy, which cannot have changed."""
    for key in registry_backup.manifests(region, bucket)[:1]:
        newest = registry_backup.read(region, bucket, key)
        return {(each.copy, each.copy_version_id): each.sha256 for each in newest.objects}
    return {}


def _saved(region: str, bucket: str, live: Live, copy: Live, known: Mapping[tuple[str, str], str]) -> Saved:
    sha256 = known.get((copy.key, copy.version_id)) or _hash(region, bucket, copy)
    return Saved(live.key, live.version_id, live.size, sha256, copy.key, copy.version_id)


def _hash(region: str, bucket: str, copy: Live) -> str:
    """S3's hash of a copy, or one made by reading it: of what was copied in parts S3 has a hash of hashes."""
    in_parts = "-" in copy.etag
    if not in_parts:
        with calls(f"s3://{bucket}/{copy.key}", region):
            of_copy = client("s3", region).head_object(
                Bucket=bucket, Key=copy.key, VersionId=copy.version_id, ChecksumMode="ENABLED"
            )
        if checksum := of_copy.get("ChecksumSHA256"):
            return base64.b64decode(checksum).hex()
    say(f"reading {copy.key} for its hash, {copy.size:,} bytes")
    return model_sets.hash_object(region, bucket, copy.key, copy.version_id)


if __name__ == "__main__":
    run(main)
