"""Recovery points of a vault of AWS Backup: the newest one of each resource, and of each class of data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dr.clients import calls, client
from dr.topology.backups import DataClass, class_of

COMPLETED = "COMPLETED"
OBJECTS, VOLUMES, CLUSTERS = "S3", "EBS", "Aurora"
"""AWS Backup's names of the resource types that `dr` restores."""


@dataclass(frozen=True)
class Point:
    """A completed recovery point.

    Args:
        arn: Its ARN.
        region: Its region.
        vault: Name of its vault.
        kind: AWS Backup's name of the resource type.
        resource: ARN of the resource that was backed up.
        created: When the backup started.
        ended: When it was complete; objects that were written in between may be in it or not.
        size: Size in bytes.
        role: ARN of the role of the backup job.
        cold: Whether it is in cold storage.
    """

    arn: str
    region: str
    vault: str
    kind: str
    resource: str
    created: datetime
    ended: datetime
    size: int
    role: str
    cold: bool = False

    @property
    def name(self) -> str:
        """Name of the resource: a bucket, a database cluster, or the ID of a volume."""
        return name_of(self.resource)


def name_of(arn: str) -> str:
    """Return the name of a resource that AWS Backup names by its ARN, such as a bucket or the ID of a volume. Pure."""
    return arn.replace("/", ":").rpartition(":")[2]


def read(region: str, vault: str) -> list[Point]:
    """Return the completed recovery points of a vault.

    Raises:
        Missing: The vault does not exist.
        Unreachable: The region does not answer.
    """
    with calls(f"backup vault {vault}", region):
        pages = client("backup", region).get_paginator("list_recovery_points_by_backup_vault")
        listed = [each for page in pages.paginate(BackupVaultName=vault) for each in page["RecoveryPoints"]]
    return [_point(region, each) for each in listed if each["Status"] == COMPLETED]


def describe(region: str, vault: str, arn: str) -> Point:
    """Return a recovery point. Raises as `read`."""
    with calls(f"recovery point {arn}", region):
        found = client("backup", region).describe_recovery_point(BackupVaultName=vault, RecoveryPointArn=arn)
    return _point(region, found)


def newest(points: Iterable[Point], kind: str = "") -> dict[str, Point]:
    """Return the newest recovery point of each resource of a type, by the resource's ARN. Pure.

    Args:
        points: Recovery points.
        kind: The resource type; "" for all.
    """
    found: dict[str, Point] = {}
    for each in sorted(points, key=lambda point: point.created):
        if kind in ("", each.kind):
            found[each.resource] = each
    return found


def newest_of_class(points: Iterable[Point]) -> dict[DataClass, datetime]:
    """Return when the newest recovery point of each class of data was created. Pure."""
    found: dict[DataClass, datetime] = {}
    for each in points:
        if data := class_of(each.kind):
            found[data] = max(each.created, found.get(data, each.created))
    return found


def vault_created(region: str, vault: str) -> datetime:
    """Return when a vault was created. Raises as `read`."""
    with calls(f"backup vault {vault}", region):
        found: datetime = client("backup", region).describe_backup_vault(BackupVaultName=vault)["CreationDate"]
    return found


def _point(region: str, found: Mapping[str, Any]) -> Point:
    return Point(
        arn=found["RecoveryPointArn"],
        region=region,
        vault=found["BackupVaultName"],
        kind=found["ResourceType"],
        resource=found["ResourceArn"],
        created=found["CreationDate"],
        ended=found.get("CompletionDate") or found["CreationDate"],
        size=found.get("BackupSizeInBytes", 0),
        role=found.get("IamRoleArn", ""),
        cold=found.get("StorageClass") == "COLD",
    )
