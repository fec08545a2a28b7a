"""AWS Backup's copy jobs, of plans and on demand; and what a vault refuses of a job.

A job completes at once. Its event is one of the region that the recovery point is copied from.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from moto.backup.models import Vault, backup_backends
from moto.ec2.models import ec2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import air_gapped, cluster_snapshots, events, recovery_points
from sandbox.aws.behaviours.keys import lost
from sandbox.aws.behaviours.recovery_points import AURORA, COMPLETED, EBS
from sandbox.aws.world import World

FAILED = "FAILED"


def copy_jobs(region: str) -> dict[str, dict[str, Any]]:
    """The copy jobs of a region by id, which the caller may change: those of recovery points that it has."""
    found: dict[str, dict[str, Any]] = vars(backup_backends[ACCOUNT][region]).setdefault("copy_jobs", {})
    return found


def copy(
    world: World,
    source: Vault,
    arn: str,
    target: str,
    role: str,
    lifecycle: Mapping[str, Any] | None,
    at: datetime.datetime,
) -> dict[str, Any]:
    """Run a copy job to its end, and return it as DescribeCopyJob does; its event is one of the source's region.

    Args:
        world: The emulator's shared parts.
        source: Vault of the recovery point.
        arn: ARN of the recovery point.
        target: ARN of the vault that gets the copy.
        role: ARN of the role of AWS Backup.
        lifecycle: Lifecycle of the copy.
        at: Time of the job.
    """
    region, point = source.backup_vault_arn.split(":")[3], recovery_points.by_arn(source)[arn]
    kind = point["ResourceType"]
    there, name = target.split(":")[3], target.split(":")[6]
    other = backup_backends[ACCOUNT][there].vaults.get(name)
    reason = refusal(other, name, lifecycle)
    if other is not None and not reason:
        reason = air_gapped.refusal(other, region, arn, kind)
    if kind in KEYED and other is not None and not reason:
        key = "" if air_gapped.is_air_gapped(other) else other.encryption_key_arn or ""
        reason = KEYED[kind](arn, there, key)
    made = ""
    if world.faults.unreachable(there):
        reason = f"{there} cannot be reached"
    elif other is not None and not reason:
        made = recovery_points.copy(source, arn, other, role, lifecycle, at)
    job = {
        "CopyJobId": str(uuid4()).upper(),
        "State": FAILED if reason else COMPLETED,
        "ResourceArn": point["ResourceArn"],
        "ResourceType": kind,
        "IamRoleArn": role,
        "SourceBackupVaultArn": source.backup_vault_arn,
        "SourceRecoveryPointArn": arn,
        "DestinationBackupVaultArn": target,
        "CreationDate": at,
        "CompletionDate": at,
        **({"StatusMessage": reason} if reason else {"DestinationRecoveryPointArn": made}),
    }
    copy_jobs(region)[job["CopyJobId"]] = job
    detail = {name[0].lower() + name[1:]: value for name, value in job.items() if isinstance(value, str)}
    events.emit(world, region, "aws.backup", "Copy Job State Change", detail, at)
    return job


def _volume_refusal(arn: str, there: str, key: str) -> str:
    """Why the copy of a volume's snapshot fails; an empty string if it does not: the keys of both sides are used.

    Sources: EC2 API reference, Snapshot, StateMessage; the message is from AWS re:Post, "Given key ID not accessible".
    """
    region = arn.split(":")[3]
    snapshot = ec2_backends[ACCOUNT][region].snapshots[arn.rpartition("/")[2]]
    used = ((snapshot.kms_key_id, region), (key, there))
    return "Given key ID is not accessible" if any(each and lost(each, where) for each, where in used) else ""


KEYED = {AURORA: cluster_snapshots.copy_refusal, EBS: _volume_refusal}
"""For types with keys of their own, why a copy fails: a key of either side cannot be used."""


def refusal(vault: Vault | None, name: str, lifecycle: Mapping[str, Any] | None) -> str:
    """Why a job fails; an empty string if it does not."""
    if vault is None:
        return f"Backup vault {name} does not exist."
    if not _lock_allows(vault, lifecycle):
        return f"The retention of the recovery point is outside the range that the lock of backup vault {name} allows."
    return ""


def _lock_allows(vault: Vault, lifecycle: Mapping[str, Any] | None) -> bool:
    """Whether a vault's lock accepts a retention; AWS fails other jobs (PutBackupVaultLockConfiguration)."""
    days = (lifecycle or {}).get("DeleteAfterDays")
    least, most = vault.min_retention_days, vault.max_retention_days
    if not vault.locked:
        return True
    return (days or float("inf")) >= (least or 0) and (days or float("inf")) <= (most or float("inf"))
