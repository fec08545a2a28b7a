"""Recovery points of a vault with what was backed up: the objects of a bucket, or a snapshot of a volume or a cluster.

Sources: AWS Backup developer guide, "Amazon S3 backups" (a restore brings back the latest versions), "Encryption for
backups in AWS Backup" (a copy is encrypted with the key of the vault that it is copied to) and "Backup plan options and
configuration" (cold storage). The recovery point of a volume is an EBS snapshot, that of an Aurora cluster a DB cluster
snapshot.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy as copy_of
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from moto.backup.models import Vault, backup_backends
from moto.ec2.models import ec2_backends
from moto.rds.models import DBClusterSnapshot
from moto.s3.models import FakeDeleteMarker, s3_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import air_gapped, cluster_snapshots

COMPLETED = "COMPLETED"
AURORA, EBS = "Aurora", "EBS"
META = "x-amz-meta-"


@dataclass(frozen=True)
class Resource:
    """What AWS Backup can back up."""

    arn: str
    type: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """An object of a bucket, as it was backed up."""

    key: str
    value: bytes
    metadata: Mapping[str, str]
    content_type: str
    encryption: str
    kms_key: str


@dataclass(frozen=True)
class Content:
    """What a recovery point holds, besides what the API shows of it.

    Args:
        tags: Tags of the resource when it was backed up.
        origin: Configuration of the resource at that time, by the names of its restore metadata.
        items: Objects of a bucket.
        snapshot: Snapshot of a volume that is not one of this account.
    """

    tags: Mapping[str, str]
    origin: Mapping[str, str]
    items: tuple[Item, ...] = ()
    snapshot: Any = None


def points(vault: Vault) -> list[dict[str, Any]]:
    """The recovery points of a vault, which the caller may change."""
    kept: list[dict[str, Any]] = vars(vault).setdefault("points", [])
    return kept


def content(vault: Vault, arn: str) -> Content:
    """What a recovery point holds."""
    found: Content = _contents(vault)[arn]
    return found


def _contents(vault: Vault) -> dict[str, Content]:
    kept: dict[str, Content] = vars(vault).setdefault("contents", {})
    return kept


def by_arn(vault: Vault) -> dict[str, dict[str, Any]]:
    """The recovery points of a vault by their ARN, which the caller may change."""
    return {point["RecoveryPointArn"]: point for point in points(vault)}


def find(region: str, arn: str) -> tuple[Vault, dict[str, Any]] | None:
    """The vault and the recovery point of an ARN in a region."""
    for vault in list(backup_backends[ACCOUNT][region].vaults.values()):
        if point := by_arn(vault).get(arn):
            return vault, point
    return None


def storage_class(point: Mapping[str, Any], now: datetime.datetime) -> str:
    """Whether a recovery point is in cold storage at a time.

    Types other than EBS and EFS stay in warm storage; EBS moves only with the opt-in (API reference, Lifecycle).
    """
    kept = point.get("Lifecycle", {})
    days, kind = kept.get("MoveToColdStorageAfterDays"), point["ResourceType"]
    moves = kind == "EFS" or (kind == "EBS" and kept.get("OptInToArchiveForSupportedResources"))
    return "COLD" if days and moves and now >= point["CreationDate"] + datetime.timedelta(days=days) else "WARM"


def shown(point: Mapping[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """A recovery point as the API shows it, with the times that its lifecycle leads to (CalculatedLifecycle)."""
    kept, created = point.get("Lifecycle", {}), point.get("CreationDate")
    days = {"DeleteAt": kept.get("DeleteAfterDays"), "MoveToColdStorageAt": kept.get("MoveToColdStorageAfterDays")}
    due = {name: created + datetime.timedelta(days=each) for name, each in days.items() if created and each}
    return {**point, "StorageClass": storage_class(point, now), **({"CalculatedLifecycle": due} if due else {})}


def add(vault: Vault, resource: Resource, role: str, lifecycle: Mapping[str, Any] | None, at: datetime.datetime) -> str:
    """Back up a resource into a vault of its region, and return the recovery point's ARN."""
    key = vault.encryption_key_arn
    if resource.type == EBS:
        volume = ec2_backends[ACCOUNT][_region(vault)].volumes[resource.arn.rpartition("/")[2]]
        snapshot = volume.ec2_backend.create_snapshot(volume.id, "This snapshot is created by the AWS Backup service.")
        snapshot.kms_key_id = volume.kms_key_id
        held, arn, size = Content(resource.tags, _volume(volume)), _snapshot_arn(vault, snapshot), volume.size << 30
    elif resource.type == AURORA:
        taken = cluster_snapshots.take(resource.arn, at)
        held, arn, size = Content(resource.tags, _cluster(taken)), taken.arn, (taken.allocated_storage or 0) << 30
        key = taken.kms_key_id if taken.encrypted else ""
    else:
        bucket = s3_backends[ACCOUNT][PARTITION].buckets[resource.arn.rpartition(":")[2]]
        held = Content(resource.tags, {"BucketName": bucket.name}, tuple(_items(bucket)))
        arn, size = _new_arn(vault), sum(len(each.value) for each in held.items)
    about = {"ResourceArn": resource.arn, "ResourceType": resource.type, **_encryption(key)}
    return _keep(vault, arn, held, about, size, role, lifecycle, at)


def copy(
    source: Vault, arn: str, target: Vault, role: str, lifecycle: Mapping[str, Any] | None, at: datetime.datetime
) -> str:
    """Copy a recovery point to a vault, also of another region, and return the copy's ARN."""
    held = content(source, arn)
    point = by_arn(source)[arn]
    key: str | None = target.encryption_key_arn
    if air_gapped.is_air_gapped(target):
        # Kept in an account of AWS: this one has no snapshot, and the ARN is one of AWS Backup.
        made, key = _new_arn(target), None
        if point["ResourceType"] == EBS:
            snapshot = copy_of(ec2_backends[ACCOUNT][_region(source)].snapshots[arn.rpartition("/")[2]])
            snapshot.kms_key_id = None
            held = replace(held, snapshot=snapshot)
    elif point["ResourceType"] == EBS:
        backend = ec2_backends[ACCOUNT][_region(target)]
        snapshot = backend.copy_snapshot(arn.rpartition("/")[2], _region(source), "", target.encryption_key_arn)
        snapshot.encrypted = True
        made = _snapshot_arn(target, snapshot)
    elif point["ResourceType"] == AURORA:
        copied = cluster_snapshots.copy(arn, _region(target), target.encryption_key_arn, at)
        made, key = copied.arn, copied.kms_key_id if copied.encrypted else ""
    else:
        made = _new_arn(target)
    about = {name: point[name] for name in ("ResourceArn", "ResourceType")}
    about |= _encryption(key)
    about["SourceBackupVaultArn"] = source.backup_vault_arn
    return _keep(target, made, held, about, point["BackupSizeInBytes"], role, lifecycle, at)


@contextmanager
def readable_snapshot(vault: Vault, point: Mapping[str, Any]) -> Iterator[str]:
    """The id of a volume's snapshot, which this account has meanwhile.

    A logically air-gapped vault keeps it in an account of AWS, encrypted with the key of the volume that is restored.
    """
    arn = point["RecoveryPointArn"]
    kept = content(vault, arn).snapshot
    if kept is None:
        yield arn.rpartition("/")[2]
        return
    snapshots = ec2_backends[ACCOUNT][_region(vault)].snapshots
    snapshots[kept.id] = kept
    try:
        yield kept.id
    finally:
        snapshots.pop(kept.id, None)


def remove(vault: Vault, arn: str) -> None:
    """Delete a recovery point, with its snapshot."""
    kept = points(vault)
    kept[:] = [each for each in kept if each["RecoveryPointArn"] != arn]
    _contents(vault).pop(arn, None)
    if ":cluster-snapshot:" in arn:
        cluster_snapshots.remove(arn)
    if ":snapshot/" in arn:
        ec2_backends[ACCOUNT][_region(vault)].snapshots.pop(arn.rpartition("/")[2], None)


def _keep(
    vault: Vault,
    arn: str,
    held: Content,
    about: Mapping[str, Any],
    size: int,
    role: str,
    lifecycle: Mapping[str, Any] | None,
    at: datetime.datetime,
) -> str:
    _contents(vault)[arn] = held
    points(vault).append(
        {
            "RecoveryPointArn": arn,
            "BackupVaultName": vault.backup_vault_name,
            "BackupVaultArn": vault.backup_vault_arn,
            **about,
            "CreationDate": at,
            "CompletionDate": at,
            "Status": COMPLETED,
            "IamRoleArn": role,
            "BackupSizeInBytes": size,
            **({"Lifecycle": dict(lifecycle)} if lifecycle else {}),
        }
    )
    return arn


def _encryption(key: str | None) -> dict[str, Any]:
    """How the API shows the encryption with a key; "" for none."""
    return {"IsEncrypted": key != "", "EncryptionKeyArn": key or None}


def _region(vault: Vault) -> str:
    return str(vault.backup_vault_arn.split(":")[3])


def _new_arn(vault: Vault) -> str:
    return f"arn:aws:backup:{_region(vault)}:{ACCOUNT}:recovery-point:{uuid4()}"


def _snapshot_arn(vault: Vault, snapshot: Any) -> str:
    return f"arn:aws:ec2:{_region(vault)}::snapshot/{snapshot.id}"


def _volume(volume: Any) -> dict[str, str]:
    """Restore metadata of a volume; the names are those that a restore test may override."""
    found = {
        "availabilityZone": volume.zone.name,
        "encrypted": str(bool(volume.encrypted)).lower(),
        "volumeId": volume.id,
        "volumeSize": str(volume.size),
        "volumeType": volume.volume_type,
    }
    more = {"iops": volume.iops, "throughput": volume.throughput, "kmsKeyId": volume.kms_key_id}
    return {**found, **{name: str(value) for name, value in more.items() if value}}


def _cluster(snapshot: DBClusterSnapshot) -> dict[str, str]:
    """Restore metadata of a cluster (developer guide, "Restoring an Amazon Aurora cluster")."""
    found = {"DBClusterIdentifier": snapshot.db_cluster_identifier, "Engine": snapshot.engine}
    more = {"EngineVersion": snapshot.engine_version, "DBSubnetGroupName": snapshot.cluster.db_subnet_group_name}
    return {name: str(value) for name, value in (found | more).items() if value}


def _items(bucket: Any) -> Iterator[Item]:
    """The current objects of a bucket. Their bytes are read once for all backups."""
    for name, key in list(bucket.keys.items()):
        if isinstance(key, FakeDeleteMarker):
            continue
        state = vars(key)
        if "backed_up" not in state:
            encryption, kms = key.encryption or "", key.kms_key_id or ""
            headers = {header.lower(): value for header, value in (key.metadata or {}).items()}
            own = {each.removeprefix(META): value for each, value in headers.items() if each.startswith(META)}
            content_type = headers.get("content-type", "")
            state["backed_up"] = Item(name, key.value, own, content_type, encryption, kms)
        yield state["backed_up"]
