"""BackupVault: a vault for recovery points, encrypted with a KMS key of its region; optionally locked.

Each region has one. Copies in the other region's vault survive the loss of this region. A vault is free. Recovery
points are charged by GB-month: EBS snapshots $0.05 in us-east-1, RDS $0.095 and Aurora $0.024 in us-west-1 (AWS's price
list as infracost's tests record it), S3 and EFS $0.05 (cloudburn.io/blog/aws-backup-pricing).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import backup

from components.data.backup_rules import VaultLock
from components.iam import keep_recovery_points

VAULT_NAME = re.compile(r"[A-Za-z0-9_-]{2,50}")
PRINCIPAL = re.compile(r"arn:aws[\w-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+")


@dataclass(frozen=True)
class BackupVaultArgs:
    """Arguments of `BackupVault`.

    Args:
        name: The vault's name, unique in its region: 2 to 50 letters, digits, _ and -.
        region: The vault's region.
        key_arn: ARN of the KMS key of that region which encrypts recovery points. A customer managed key, because an
            AWS managed key cannot be shared if copies ever go to another account.
        lock: The vault's lock; None for none.
        admins: ARNs of the only roles and users allowed to delete recovery points, shorten their retention, remove the
            lock, or change the access policy. Empty: no principal may delete recovery points or shorten their
            retention, and IAM policies decide about the rest. None: the vault has no access policy. This prevents
            mistakes; only a lock stops a principal that can change policies.
        protect: Protect the vault from deletion by Pulumi, and retain it when it is removed from the program.
        force_destroy: Delete recovery points together with the vault; for tests.
        tags: Tags of the vault.

    Raises:
        ValueError: The name or an admin is invalid, or both `protect` and `force_destroy` are set.
    """

    name: str
    region: str
    key_arn: pulumi.Input[str]
    lock: VaultLock | None = None
    admins: Sequence[str] | None = None
    protect: bool = True
    force_destroy: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not VAULT_NAME.fullmatch(self.name):
            raise ValueError(
                f"vault name {self.name!r} is not valid: use 2 to 50 letters, digits, _ and -; rename the vault"
            )
        if self.protect and self.force_destroy:
            raise ValueError(
                f"vault {self.name} has both protect and force_destroy set, which exclude each other; unset one"
            )
        for admin in self.admins or ():
            if not PRINCIPAL.fullmatch(admin):
                raise ValueError(
                    f"vault {self.name}: admin {admin!r} is not the ARN of one role or user, and every other principal "
                    "is denied deletion; use arn:aws:iam::<account>:role/<name>"
                )


class BackupVault(pulumi.ComponentResource):
    """A backup vault, and on request its lock and its access policy.

    Attributes:
        vault_name: The vault's name, used by backup plans of the same region.
        arn: The vault's ARN, used by backup plans of the other region as copy target.
    """

    vault_name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: BackupVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:BackupVault", name, None, opts)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        vault = backup.Vault(
            f"{name}-vault",
            name=args.name,
            kms_key_arn=args.key_arn,
            force_destroy=args.force_destroy,
            region=args.region,
            tags=dict(args.tags),
            opts=protected,
        )
        if args.lock:
            self._lock(f"{name}-lock", vault, args.lock, args)
        if args.admins is not None:
            backup.VaultPolicy(
                f"{name}-policy",
                backup_vault_name=vault.name,
                policy=keep_recovery_points(args.admins),
                region=args.region,
                opts=protected,
            )
        self.vault_name, self.arn = vault.name, vault.arn
        self.register_outputs({"vault_name": self.vault_name, "arn": self.arn})

    def _lock(self, name: str, vault: backup.Vault, lock: VaultLock, args: BackupVaultArgs) -> None:
        """Create the lock.

        Every change of a lock is a replacement, and the plugin's delete removes whichever lock the vault has at that
        time. So the old lock is deleted first; otherwise the vault would end up without a lock. If the vault is
        protected, the lock is retained: a new lock overwrites it, and removing it from the program leaves it in place.
        `protect` is not set, because it would block that change as well.
        """
        backup.VaultLockConfiguration(
            name,
            backup_vault_name=vault.name,
            min_retention_days=lock.min_days,
            max_retention_days=lock.max_days,
            changeable_for_days=lock.changeable_for_days,
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, retain_on_delete=args.protect),
        )
