"""S3 replication: copies object versions to other buckets and records the status on both sides.

Source: "Replicating objects" of the S3 user guide. A copy keeps id, content, metadata, tags, lock and time of creation.
Replicas are not replicated further; with ReplicaModifications, changes of their tags, retention and legal hold are
copied back. State is kept in attributes of moto's own versions:

- `replicas`: status by destination bucket: PENDING, COMPLETED or FAILED;
- `is_replica`;
- `replication_status`: status of the version as a whole, as S3 reports it.
"""

from __future__ import annotations

import copy
import sys
import threading
import traceback
from bisect import bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend, s3_backends

from sandbox.aws import clock
from sandbox.aws.account import PARTITION
from sandbox.aws.answer import Answer
from sandbox.aws.behaviours import replication_rules
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.behaviours.replication_access import may_use
from sandbox.aws.call import Call, find_bucket, object_version
from sandbox.aws.faults import Faults

WRITES = threading.RLock()
"""Held by every request that changes S3 and by every copy."""

CREATES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
CHANGES = frozenset({"PutObjectTagging", "DeleteObjectTagging", "PutObjectRetention", "PutObjectLegalHold"})
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that S3 does not replicate from."""
RETRY_SECONDS = 0.2
"""How often queues of unreachable regions are checked."""

Status = Literal["COMPLETED", "FAILED"]
Route = tuple[str, str, str]


@dataclass(frozen=True)
class Task:
    """A copy of one version, or of a change of it, to one bucket."""

    bucket: str
    key: str
    version: str
    rule: dict[str, Any]
    change: bool
    queued: float = field(default_factory=lambda: clock.now().timestamp())
    """When the copy was due, in seconds since 1970 by the sandbox's clock."""

    @property
    def destination(self) -> str:
        return replication_rules.destination_of(self.rule)

    @property
    def route(self) -> Route:
        """Source, destination and rule, by which S3 publishes metrics."""
        return self.bucket, self.destination, str(self.rule.get("ID", ""))


class Replicator:
    """Queues copies after S3 requests, and makes them in order while both regions are reachable."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._ready = threading.Condition()
        # One queue per pair of regions: an unreachable region delays no copies of others.
        self._queues: dict[tuple[str, str], deque[Task]] = {}
        self._working = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="replication", daemon=True)
        self._done: dict[Status, int] = {"COMPLETED": 0, "FAILED": 0}
        self._failed: Counter[Route] = Counter()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._ready:
            self._stopped = True
            self._ready.notify()
        self._thread.join()

    def wake(self) -> None:
        """Check the queues: a region may be reachable again."""
        with self._ready:
            self._ready.notify()

    def forget(self) -> None:
        with self._ready:
            self._queues.clear()
            self._done = {"COMPLETED": 0, "FAILED": 0}
            self._failed.clear()

    def pending(self) -> list[Task]:
        """List the copies that wait."""
        with self._ready:
            return [task for queue in self._queues.values() for task in queue]

    def take_failed(self) -> Counter[Route]:
        """Return the number of copies that failed since the last call, by their route."""
        with self._ready:
            failed, self._failed = self._failed, Counter()
            return failed

    def counts(self) -> dict[str, int]:
        """Number of copies pending, and failed and made since the start."""
        with self._ready:
            pending = sum(map(len, self._queues.values())) + self._working
            return {"pending": pending, "failed": self._done["FAILED"], "copied": self._done["COMPLETED"]}

    def observe(self, call: Call, answer: Answer) -> None:
        """Queue the copies that a successful S3 request causes. The caller holds WRITES."""
        bucket = call.bucket
        if bucket is not None:
            _remember_deleted(call, bucket)
        if bucket is None or not getattr(bucket, "replication", None) or not bucket.is_versioned:
            return
        marked = call.operation == "DeleteObject" and "versionId" not in call.request.args
        if call.operation in CREATES or (marked and answer.header("x-amz-delete-marker")):
            self._created(bucket, bucket.keys.get(call.uri["Key"]))
        elif call.operation == "DeleteObjects":
            objects = call.parameters["Delete"]["Objects"]
            current = [bucket.keys.get(entry["Key"]) for entry in objects if not entry.get("VersionId")]
            # Only objects that were deleted have a marker as their current version.
            for version in current:
                if isinstance(version, FakeDeleteMarker):
                    self._created(bucket, version)
        elif call.operation in CHANGES:
            self._changed(bucket, object_version(call))

    def repeat(self, bucket: FakeBucket, version: Any, rules: list[dict[str, Any]]) -> None:
        """Queue copies of a version that the bucket already had. The caller holds WRITES."""
        self._queue(bucket, version, rules, change=False)

    def _created(self, bucket: FakeBucket, version: FakeKey | FakeDeleteMarker) -> None:
        # A repeated request names a version that is queued already.
        if not hasattr(version, "replicas"):
            self._queue(bucket, version, rules_for(bucket, version), change=False)

    def _changed(self, bucket: FakeBucket, version: Any) -> None:
        if getattr(version, "is_replica", False):
            rules = [rule for rule in _matching(bucket, version) if replication_rules.selects_replica_changes(rule)]
        else:
            done = getattr(version, "replicas", {})
            rules = [rule for rule in _matching(bucket, version) if replication_rules.destination_of(rule) in done]
        self._queue(bucket, version, rules, change=True)

    def _queue(self, bucket: FakeBucket, version: Any, rules: list[dict[str, Any]], *, change: bool) -> None:
        for rule in rules:
            task = Task(bucket.name, version.name, version.version_id, rule, change)
            destination = find_bucket(task.destination)
            regions = (bucket.region_name, destination.region_name if destination else bucket.region_name)
            _record(version, task.destination, "PENDING")
            with self._ready:
                self._queues.setdefault(regions, deque()).append(task)
                self._ready.notify()

    def _work(self) -> None:
        while True:
            with self._ready:
                while (task := self._next()) is None and not self._stopped:
                    self._ready.wait(RETRY_SECONDS if any(self._queues.values()) else None)
                if task is None:
                    return
                self._working = 1
            status: Status | None = "FAILED"
            try:
                status = _copy(task)
            except Exception:  # noqa: BLE001 - moto raises anything; this copy has failed, the others go on
                sys.stderr.write(f"replication of {task} failed\n{traceback.format_exc()}")
            with WRITES:
                version = _find(task.bucket, task.key, task.version)
                if version is None and status == "FAILED":
                    status = None  # deleted while it was copied
                elif version is not None and status:
                    _record(version, task.destination, status)
            with self._ready:
                self._working = 0
                if status:
                    self._done[status] += 1
                if status == "FAILED":
                    self._failed[task.route] += 1

    def _next(self) -> Task | None:
        if self._stopped:
            return None
        for regions, queue in self._queues.items():
            if queue and not self._faults.unreachable(*regions):
                return queue.popleft()
        return None


def _matching(bucket: FakeBucket, version: Any) -> list[dict[str, Any]]:
    """The rules that select a version: the one with the highest priority per destination bucket."""
    is_marker = isinstance(version, FakeDeleteMarker)
    tags = {} if is_marker else _backend(bucket).tagger.get_tag_dict_for_resource(version.arn)
    chosen: dict[str, dict[str, Any]] = {}
    configured = bucket.replication["Rules"]  # type: ignore[attr-defined]
    for rule in sorted(configured, key=lambda rule: -int(rule.get("Priority", 0))):
        selected = (
            version.name.startswith(replication_rules.prefix_of(rule))
            and replication_rules.tags_of(rule).items() <= tags.items()
        )
        if rule["Status"] == "Enabled" and selected:
            chosen.setdefault(replication_rules.destination_of(rule), rule)
    return list(chosen.values())


def was_deleted(version: Any, rule: dict[str, Any]) -> bool:
    """Whether a version was deleted by its ID in the bucket that a rule copies to."""
    destination = find_bucket(replication_rules.destination_of(rule))
    return (version.name, version.version_id) in getattr(destination, "deleted_versions", ())


def _remember_deleted(call: Call, bucket: FakeBucket) -> None:
    deleted: list[tuple[str, str | None]] = []
    if call.operation == "DeleteObject":
        deleted = [(call.uri["Key"], call.request.args.get("versionId"))]
    elif call.operation == "DeleteObjects":
        deleted = [(entry["Key"], entry.get("VersionId")) for entry in call.parameters["Delete"]["Objects"]]
    vars(bucket).setdefault("deleted_versions", set()).update(each for each in deleted if each[1])


def rules_for(bucket: FakeBucket, version: Any) -> list[dict[str, Any]]:
    """The rules by which a new version is copied."""
    rules = _matching(bucket, version)
    if isinstance(version, FakeDeleteMarker):
        return [rule for rule in rules if replication_rules.copies_delete_markers(rule)]
    if version.storage_class in ARCHIVED:
        return []
    return [rule for rule in rules if replication_rules.selects_kms(rule)] if _is_kms(version) else rules


def _copy(task: Task) -> Status | None:
    """Make a copy. Return None if the version does not exist any more."""
    source, destination = find_bucket(task.bucket), find_bucket(task.destination)
    version = _find(task.bucket, task.key, task.version)
    if source is None or version is None:
        return None
    if destination is None or not destination.is_versioned:
        return "FAILED"
    present = _find(task.destination, task.key, task.version)
    if present is not None or task.change:
        if isinstance(present, FakeKey) and isinstance(version, FakeKey):
            with WRITES:
                _copy_changeable(version, source, present, destination)
        return "COMPLETED" if present is not None else "FAILED"
    copied: Any
    if isinstance(version, FakeDeleteMarker):
        copied = copy.copy(version)
    else:
        if _cannot_hold(version, task.rule, source, destination) or not _may_use_keys(
            version, task.rule, source, destination
        ):
            return "FAILED"
        copied = _replica(version, task.rule, source, destination)
    copied.last_modified = version.last_modified
    copied.is_replica, copied.replicas, copied.replication_status = True, {}, "REPLICA"
    with WRITES:
        # Ordered by creation, so that both buckets have the same current version in whatever order copies arrive.
        held = destination.keys.getlist(task.key, [])
        place = bisect_right(held, copied.last_modified, key=attrgetter("last_modified"))
        destination.keys.setlist(task.key, [*held[:place], copied, *held[place:]])
    return "COMPLETED"


def _cannot_hold(version: FakeKey, rule: dict[str, Any], source: FakeBucket, destination: FakeBucket) -> bool:
    """Whether S3 would fail to make the replica: an unusable key, or a lock that the destination does not support."""
    if (version.lock_mode or version.lock_legal_status == "ON") and not destination.object_lock_enabled:
        return True
    if not _is_kms(version):
        return False
    replica_key = rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"]
    keys = [(version.kms_key_id, source.region_name), (replica_key, destination.region_name)]
    return any(key and unusable(key, region) for key, region in keys)


def _may_use_keys(version: FakeKey, rule: dict[str, Any], source: FakeBucket, destination: FakeBucket) -> bool:
    """Whether the replication role may decrypt the source and encrypt the replica, with S3's encryption context."""
    if not _is_kms(version):
        return True
    role = source.replication.get("Role", "")  # type: ignore[attr-defined]
    key = version.kms_key_id or ""
    replica_key = rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"]
    # moto keeps the header's text.
    by_bucket = str(version.bucket_key_enabled).lower() == "true"
    read, written = (each.arn if by_bucket else f"{each.arn}/{version.name}" for each in (source, destination))
    return (not key or may_use(role, "kms:Decrypt", key, read)) and may_use(role, "kms:Encrypt", replica_key, written)


def _replica(version: FakeKey, rule: dict[str, Any], source: FakeBucket, destination: FakeBucket) -> FakeKey:
    target = rule["Destination"]
    replica = FakeKey(
        name=version.name,
        value=version.value,
        account_id=destination.account_id,
        region_name=PARTITION,
        storage=target.get("StorageClass", version.storage_class),
        etag=version.etag.strip('"'),
        is_versioned=True,
        version_id=version.version_id,
        multipart=version.multipart,
        bucket_name=destination.name,
        encryption=version.encryption,
        kms_key_id=target["EncryptionConfiguration"]["ReplicaKmsKeyID"] if _is_kms(version) else None,
        bucket_key_enabled=version.bucket_key_enabled,
        checksum_value=version.checksum_value,
        checksum_type=version.checksum_type,
        checksum_parts=version.checksum_parts,
    )
    replica.checksum_algorithm = version.checksum_algorithm
    replica.website_redirect_location = version.website_redirect_location
    replica.set_acl(version.acl)
    replica.set_metadata(dict(version.metadata), replace=True)
    _copy_changeable(version, source, replica, destination)
    return replica


def _copy_changeable(version: FakeKey, source: FakeBucket, copied: FakeKey, destination: FakeBucket) -> None:
    """Copy the properties that may change after a version was created."""
    copied.lock_mode, copied.lock_until = version.lock_mode, version.lock_until
    copied.lock_legal_status = version.lock_legal_status
    tags = _backend(source).tagger.get_tag_dict_for_resource(version.arn)
    tagger = _backend(destination).tagger
    tagger.delete_all_tags_for_resource(copied.arn)
    tagger.tag_resource(copied.arn, tagger.convert_dict_to_tags_input(tags))


def _record(version: Any, destination: str, status: str) -> None:
    """Record the status of one copy; the version has the worst status of its copies."""
    version.replicas = {**getattr(version, "replicas", {}), destination: status}
    ranked = [status for status in ("FAILED", "PENDING") if status in version.replicas.values()]
    settled = "REPLICA" if getattr(version, "is_replica", False) else "COMPLETED"
    version.replication_status = ranked[0] if ranked else settled


def _find(bucket: str, key: str, version: str) -> Any:
    found = find_bucket(bucket)
    held = found.keys.getlist(key, []) if found else []
    return next((candidate for candidate in reversed(held) if candidate.version_id == version), None)


def _is_kms(version: FakeKey) -> bool:
    return (version.encryption or "").startswith("aws:kms")


def _backend(bucket: FakeBucket) -> S3Backend:
    return s3_backends[bucket.account_id][PARTITION]
