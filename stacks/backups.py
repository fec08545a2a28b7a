"""Backups: a vault in each region, and a plan in each stack."""

from __future__ import annotations

import pulumi

from components.data.backup_plan import BackupPlan, BackupPlanArgs
from components.data.backup_rules import BackupRule
from components.data.backup_vault import BackupVault, BackupVaultArgs
from components.tagging import tags_of
from dr.topology.topology import Role, Topology

BACKUP_SCHEDULE = "cron(0 2/12 * * ? *)"
"""At 02:00 and 14:00 UTC; with one backup a day, the newest copy is older than 24 h until the next one completes."""


def backup_vault(topology: Topology, role: Role, key_arn: pulumi.Output[str]) -> BackupVault:
    """Create a region's backup vault. The recovery region's vault is protected against deletion."""
    return BackupVault(
        f"backup-{role}",
        BackupVaultArgs(
            name=topology.backup_vault,
            region=topology.site(role).region,
            key_arn=key_arn,
            protect=topology.protect_data and role is Role.RECOVERY,
            force_destroy=not topology.protect_data,
            tags=tags_of(topology),
        ),
    )


def backup_plan(
    topology: Topology,
    vault_name: pulumi.Input[str],
    copy_to: pulumi.Output[str] | None = None,
) -> BackupPlan:
    """Create the backup plan for tagged resources in this stack's region.

    Args:
        topology: The topology to deploy.
        vault_name: Name of the vault for backups.
        copy_to: ARN of the vault for copies; None for no copies.
    """
    return BackupPlan(
        "backup",
        BackupPlanArgs(
            name=f"{topology.backup_vault}-{topology.role}",
            region=topology.here.region,
            vault_name=vault_name,
            copy_to=copy_to,
            rules=(BackupRule("twice-daily", BACKUP_SCHEDULE, topology.backup_retention_days),),
            running=topology.tier_here.spec.backup_plan,
            tags=tags_of(topology),
        ),
    )
