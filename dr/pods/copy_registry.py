"""Backs up the model registry: copies its objects to `backups/` in the same bucket, and writes a dated manifest.

One listing gives the current objects and the existing copies. S3 copies missing versions itself, with the bucket's
encryption. An object version is copied once for all backups, so a run costs only what changed. The manifest is written
after a second listing has shown every copy with its size: an interrupted run leaves copies that the next run uses, and
no manifest. Concurrent runs copy the same objects to the same keys, and write a manifest each.

Hashes are computed by S3 during the copy. After a multipart copy S3 has no hash of the whole object, so it is read.

The storage class is GLACIER_IR for every size. It is charged for at least 128 KB and 90 days (S3 user guide,
"Understanding and managing Amazon S3 storage classes"): a million small files are charged as 128 GB, half a dollar a
month at $0.004 a GB (S3 pricing page), and copies are kept longer than 90 days anyway. STANDARD_IA has the same minimum
size and three times the price. This program never deletes, and its role must not be able to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from dr import environment
from dr.clients import Missing, Unreachable, calls, client
from dr.data import hashes, registry_backup
from dr.data.object_copy import Source, copy
from dr.data.registry_backup import OBJECTS, PREFIX, Backup, Saved
from dr.errors import DrError, Failed, Problem
from dr.pods.run import log, run

STORAGE_CLASS = "GLACIER_IR"
CONCURRENCY = 16


@dataclass(frozen=True)
class Live:
    """A current object version, from a listing."""

    key: str
    version_id: str
    size: int
    etag: str

    @property
    def copy(self) -> str:
        """Key of its copy."""
        return registry_backup.copy_key(self.key, self.version_id, self.etag)


def main() -> None:
    """Back up the registry that the environment variables name."""
    settings = environment.read("AWS_REGION", "REGISTRY_BUCKET")
    back_up(settings["AWS_REGION"], settings["REGISTRY_BUCKET"])


def back_up(region: str, bucket: str) -> Backup:
    """Copy new object versions, and write the manifest.

    Args:
        region: The pod's own region.
        bucket: Name of its registry bucket, which has versioning.

    Returns:
        The new backup.

    Raises:
        Failed: An object could not be copied, or its copy is missing afterwards; no manifest was written.
        Invalid: A key is too long for its copy.
        Unreachable: The region does not answer.
    """
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    objects = current(region, bucket)
    live = [each for each in objects.values() if not each.key.startswith(PREFIX)]
    to_copy = [each for each in live if not _is_copied(each, objects)]
    log(f"{len(live)} objects, {sum(each.size for each in live):,} bytes; {len(to_copy)} to copy")
    _copy_all(region, bucket, to_copy)
    copies = current(region, bucket, OBJECTS)
    _check_complete(bucket, live, copies)
    known = _hashes_of_newest(region, bucket)
    with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
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
    log(f"{backup.key} lists {len(saved)} objects; every copy exists")
    return backup


def current(region: str, bucket: str, prefix: str = "") -> dict[str, Live]:
    """Return the current version of every object by key, without deleted objects."""
    with calls(f"s3://{bucket}/{prefix}", region):
        pages = client("s3", region).get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        return {
            version["Key"]: Live(version["Key"], version["VersionId"], version["Size"], version["ETag"])
            for page in pages
            for version in page.get("Versions", [])
            if version["IsLatest"]
        }


def _is_copied(live: Live, copies: Mapping[str, Live]) -> bool:
    copy = copies.get(live.copy)
    return copy is not None and copy.size == live.size


def _copy_all(region: str, bucket: str, objects: Sequence[Live]) -> None:
    """Copy objects; report all failures together."""
    problems: list[Problem] = []
    with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
        for pending in [pool.submit(_copy, region, bucket, each) for each in objects]:
            try:
                each = pending.result()
                log(f"copied {each.key} {each.version_id}, {each.size:,} bytes")
            except Unreachable:
                pool.shutdown(cancel_futures=True)
                raise
            except DrError as error:
                problems += error.problems
    if problems:
        raise Failed(*problems)


def _copy(region: str, bucket: str, live: Live) -> Live:
    source = Source(region, bucket, live.key, live.version_id, live.size)
    try:
        copy(source, region, bucket, live.copy, {"StorageClass": STORAGE_CLASS, "ChecksumAlgorithm": "SHA256"})
    except Missing as error:
        fact = f"version {live.version_id} was permanently deleted during the backup"
        raise Failed(Problem(f"s3://{bucket}/{live.key}", fact, "wait for the next run, or start one")) from error
    return live


def _check_complete(bucket: str, live: list[Live], copies: Mapping[str, Live]) -> None:
    if incomplete := [each for each in live if not _is_copied(each, copies)]:
        raise Failed(
            *(
                Problem(
                    f"s3://{bucket}/{each.copy}",
                    f"the copy of {each.key} {'has the wrong size' if each.copy in copies else 'is missing'}",
                    "find what else writes below backups/, then run the backup again; no manifest was written",
                )
                for each in incomplete
            )
        )


def _hashes_of_newest(region: str, bucket: str) -> dict[tuple[str, str], str]:
    """Return the hashes of the newest manifest by key and version of the copy; they cannot change."""
    for key in registry_backup.manifests(region, bucket)[:1]:
        newest = registry_backup.read(region, bucket, key)
        return {(each.copy, each.copy_version_id): each.sha256 for each in newest.objects}
    return {}


def _saved(region: str, bucket: str, live: Live, copy: Live, known: Mapping[tuple[str, str], str]) -> Saved:
    sha256 = known.get((copy.key, copy.version_id)) or _hash(region, bucket, copy)
    return Saved(live.key, live.version_id, live.size, sha256, copy.key, copy.version_id)


def _hash(region: str, bucket: str, saved: Live) -> str:
    """Return S3's hash of a copy; for a multipart copy, which has only a hash of hashes, read it and hash it."""
    if whole := hashes.stored(region, bucket, saved.key, saved.version_id).whole:
        return whole
    log(f"reading {saved.key} to hash it, {saved.size:,} bytes")
    return hashes.hash_object(region, bucket, saved.key, saved.version_id)


if __name__ == "__main__":
    run(main)
