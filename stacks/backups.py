"""Backups: two vaults in each region, on request an air-gapped one, and in each stack a plan for each class of data."""

from __future__ import annotations

import re

import pulumi

from components.data.air_gapped_vault import AirGappedVault, AirGappedVaultArgs
from components.data.backup_plan import BackupPlan, BackupPlanArgs
from components.data.backup_rules import BackupRule, VaultLock
from components.data.backup_vault import BackupVault, BackupVaultArgs
from components.data.restore_testing import RestoreTesting, RestoreTestingArgs
from components.tagging import tags_of
from dr.data.restore_jobs import place
from dr.topology.backups import GRACE_DAYS, Backups, DataClass
from dr.topology.topology import LockMode, RestoreTests, Role, Topology, VaultLocking
from stacks.database import Record

REGULAR, ARCHIVE = "regular", "archive"
"""Names of the rules of a plan."""
REPLICATED = (DataClass.OBJECTS, DataClass.DATABASES)
"""Classes of data with replicas in the other region."""


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
                lock=vault_lock(topology),
                admins=[topology.break_glass_role] if topology.break_glass_role else [],
                tags=tags_of(topology),
            ),
        )
        for resource, vault in names.items()
    ]


def air_gapped_vault(topology: Topology) -> AirGappedVault | None:
    """Create the logically air-gapped vault of the recovery region, if configured."""
    if topology.air_gap is None:
        return None
    return AirGappedVault(
        "backup-air-gapped",
        AirGappedVaultArgs(
            name=topology.air_gapped_vault,
            region=topology.recovery.region,
            min_days=topology.air_gap.min_days,
            max_days=topology.air_gap.max_days,
            admins=[topology.break_glass_role] if topology.break_glass_role else [],
            protect=topology.protect_data,
            tags=tags_of(topology),
        ),
    )


SCHEDULES = {RestoreTests.WEEKLY: "cron(0 6 ? * SUN *)", RestoreTests.MONTHLY: "cron(0 6 2 * ? *)"}
"""Schedules of restore tests, at a time without backups by default."""


def restore_tests(topology: Topology, database: Record | None) -> RestoreTesting | None:
    """Restore copies of the primary region's data in the recovery region on a schedule, if configured.

    Args:
        topology: The topology to deploy.
        database: The recovery region's part of the database, with its subnets; None without a database.
    """
    if topology.restore_tests is RestoreTests.NONE:
        return None
    return RestoreTesting(
        "restore-tests",
        RestoreTestingArgs(
            name=re.sub(r"\W", "_", f"{topology.bucket_prefix}_copies"),
            region=topology.recovery.region,
            vault_arns=[topology.copies_vault_arn(Role.RECOVERY)],
            schedule=SCHEDULES[topology.restore_tests],
            clusters_to=database.apply(lambda of: place(of["subnet_group"], of["security_groups"]))
            if database
            else None,
            tags=tags_of(topology),
        ),
    )


def vault_lock(topology: Topology) -> VaultLock | None:
    """Return the lock of all vaults.

    Its shortest retention does not follow that of the rules: a compliance lock can never be changed.
    """
    match topology.vault_lock:
        case VaultLocking.NONE:
            return None
        case VaultLocking.GOVERNANCE:
            return VaultLock(topology.vault_lock_days)
        case VaultLocking.COMPLIANCE:
            return VaultLock(topology.vault_lock_days, mode=LockMode.COMPLIANCE, changeable_for_days=GRACE_DAYS)


def backup_plans(
    topology: Topology,
    vault_name: pulumi.Input[str],
    copy_to: pulumi.Input[str],
    replicas_written: bool = False,
) -> list[BackupPlan]:
    """Create the backup plans for tagged resources in this stack's region: one for each class of data.

    The plan of objects was there before the others; it has the role of all.

    Args:
        topology: The topology to deploy.
        vault_name: Name of the vault for backups.
        copy_to: ARN of the vault in the other region for copies.
        replicas_written: Whether applications write to the replicas in this stack's region.
    """
    primary = topology.role is Role.PRIMARY
    plans: list[BackupPlan] = []
    for backups in sorted(topology.backups, key=lambda each: each.data is not DataClass.OBJECTS):
        data = backups.data
        first = data is DataClass.OBJECTS
        isolated = primary and topology.air_gap is not None and data in topology.air_gap.classes
        plan = BackupPlan(
            "backup" if first else f"backup-{data}",
            BackupPlanArgs(
                name=f"{topology.bucket_prefix}-{'backups' if first else data}-{topology.role}",
                region=topology.here.region,
                vault_name=vault_name,
                copy_to=copy_to,
                air_gapped_to=topology.air_gapped_vault_arn if isolated else None,
                air_gap=topology.air_gap,
                rules=rules_of(backups),
                classes=[data],
                role_arn=None if first else plans[0].role_arn,
                replicas=replicas_written and data in REPLICATED,
                # An existing bucket has its owner's tags.
                adopted=[
                    f"arn:aws:s3:::{pair.existing}" for pair in topology.pairs if first and primary and pair.existing
                ],
                running=topology.tier_here.spec.backup_plan or replicas_written,
                tags=tags_of(topology),
            ),
        )
        plans.append(plan)
    return plans


def rules_of(backups: Backups) -> list[BackupRule]:
    """Return the rules of a class of data: its schedule, and if it has an archive, the monthly backup for that.

    The air-gapped copy of an archive is kept as those of the other backups: it would not move to cold storage.
    """
    hours = backups.complete_hours
    rules = [BackupRule(REGULAR, backups.schedule, backups.retention_days, complete_hours=hours)]
    if backups.archive_days is not None:
        kept, cold = backups.archive_days, backups.cold_days
        days = backups.retention_days
        rules.append(
            BackupRule(
                ARCHIVE, backups.archive_schedule, kept, cold_days=cold, complete_hours=hours, air_gapped_days=days
            )
        )
    return rules
