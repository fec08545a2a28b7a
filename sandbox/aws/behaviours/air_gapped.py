"""Logically air-gapped vaults: when one is available, and which copies it refuses.

Source: AWS Backup developer guide, "Logically air-gapped vault" (a compliance lock from the first day; only a target of
copies; "Compatible encryption"; "The KMS key will be available approximately 1 to 3 minutes after the vault creation").
The texts of failed copies are not documented.
"""

from __future__ import annotations

from typing import Any

from moto.backup.models import Vault, backup_backends
from moto.core.utils import unix_time
from moto.ec2.models import ec2_backends

from sandbox import timings
from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours.global_databases import Stopwatch
from sandbox.aws.behaviours.keys import find_key

TYPE, STANDARD = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT", "BACKUP_VAULT"
CREATING, AVAILABLE = "CREATING", "AVAILABLE"
MARK = "sandbox_air_gapped"


def create(region: str, name: str, tags: dict[str, str], days: tuple[int, int], key: str | None, request: str) -> Vault:
    """Create a vault, which is locked at once."""
    vault = backup_backends[ACCOUNT][region].create_backup_vault(name, tags, key or "", request)
    vault.encryption_key_arn = key  # type: ignore[assignment]
    vault.locked, vault.lock_date = True, unix_time()
    vault.min_retention_days, vault.max_retention_days = days
    vars(vault)[MARK] = Stopwatch(timings.AIR_GAPPED_VAULT.of(name))
    return vault


def is_air_gapped(vault: Vault) -> bool:
    """Whether a vault is a logically air-gapped one."""
    return MARK in vars(vault)


def state(vault: Vault) -> str:
    """State of a vault."""
    return AVAILABLE if not is_air_gapped(vault) or vars(vault)[MARK].over else CREATING


def shown(vault: Vault) -> dict[str, Any]:
    """What DescribeBackupVault and ListBackupVaults add of a vault's type."""
    if not is_air_gapped(vault):
        return {"VaultType": STANDARD}
    kind = "CUSTOMER_MANAGED_KMS_KEY" if vault.encryption_key_arn else "AWS_OWNED_KMS_KEY"
    return {"VaultType": TYPE, "VaultState": state(vault), "EncryptionKeyType": kind}


def refusal(vault: Vault, region: str, arn: str, kind: str) -> str:
    """Why a copy to a vault fails because it is air-gapped; an empty string if it does not.

    Args:
        vault: The vault.
        region: Region of the recovery point that is copied.
        arn: ARN of that recovery point.
        kind: Its resource type.
    """
    if not is_air_gapped(vault):
        return ""
    if state(vault) != AVAILABLE:
        return f"Backup vault {vault.backup_vault_name} is {state(vault)}."
    if kind == "EBS" and not _customer_key(region, arn.rpartition("/")[2]):
        return f"{arn} is not encrypted with a customer managed key, which a logically air-gapped vault requires."
    return ""


def _customer_key(region: str, snapshot: str) -> bool:
    """Whether a snapshot is encrypted with a key that is not one of AWS's."""
    key = ec2_backends[ACCOUNT][region].snapshots[snapshot].kms_key_id or ""
    if not key or "alias/aws/" in key:
        return False
    return not any(name.startswith("alias/aws/") for name in find_key(key, region).aliases)
