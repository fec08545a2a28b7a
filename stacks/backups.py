"""Backups: two vaults in each region, and a plan in each stack."""

from __future__ import annotations

import pulumi

from components.data.backup_plan import BackupPlan, BackupPlanArgs
from components.data.backup_rules import BackupRule
from components.data.backup_vault import BackupVault, BackupVaultArgs
from components.tagging import tags_of
from dr.topology.topology import Role, Topology

BACKUP_SCHEDULE = "cron(0 2/12 * * ? *)"
"""At 02:00 and 14:00 UTC; with one backup a day, the newest copy is older than 24 h until the next one completes."""


def backup_vaults(topology: Topology, role: Role, key_arn: pulumi.Output[str]) -> list[BackupVault]:
    """Create a region's vaults: one for its own backups, and one in which copies from the other region arrive.

    Separate vaults show whether copies arrive. All but the vault of the primary region's own backups are protected
    against deletion: after the loss of a region, they hold the only backups.
    """
    primary = role is Role.PRIMARY
    # The first vault of each region was there before the second one.
    names = {
        f"backup-{role}": topology.local_vault(role) if primary else topology.copies_vault(role),
        **({f"backup-{role}-copies": topology.copies_vault(role)} if primary else {}),
        **({} if primary else {f"backup-{role}-local": topology.local_vault(role)}),
    }
    return [
        BackupVault(
            resource,
            BackupVaultArgs(
                name=vault,
                region=topology.site(role).region,
                key_arn=key_arn,
                protect=topology.protect_data and not (primary and vault == topology.local_vault(role)),
                force_destroy=not topology.protect_data,
                tags=tags_of(topology),
            ),
        )
        for resource, vault in names.items()
    ]


def backup_plan(
    topology: Topology,
    vault_name: pulumi.Input[str],
    copy_to: pulumi.Input[str],
    replicas_written: bool = False,
) -> BackupPlan:
    """Create the backup plan for tagged resources in this stack's region.

    Args:
        topology: The topology to deploy.
        vault_name: Name of the vault for backups.
        copy_to: ARN of the vault in the other region for copies.
        replicas_written: Whether applications write to the replicas in this stack's region.
    """
    primary = topology.role is Role.PRIMARY
    return BackupPlan(
        "backup",
        BackupPlanArgs(
            name=f"{topology.bucket_prefix}-backups-{topology.role}",
            region=topology.here.region,
            vault_name=vault_name,
            copy_to=copy_to,
            rules=(BackupRule("twice-daily", BACKUP_SCHEDULE, topology.backup_retention_days),),
            replicas=replicas_written,
            # An existing bucket has its owner's tags.
            adopted=[f"arn:aws:s3:::{pair.existing}" for pair in topology.pairs if primary and pair.existing],
            running=topology.tier_here.spec.backup_plan or replicas_written,
            tags=tags_of(topology),
        ),
    )
