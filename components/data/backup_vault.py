"""BackupVault: where recovery points are kept, under a key of its region; optionally locked.

One in each region: what is copied from one to the other outlives the first. A vault costs nothing by itself, what it
holds does, a GB-month: EBS snapshots $0.05 in us-east-1, RDS $0.095 and Aurora $0.024 in us-west-1 (AWS's price list as
infracost's tests record it), S3 and EFS $0.05 (cloudburn.io/blog/aws-backup-pricing).
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
        region: Its region.
        key_arn: ARN of the KMS key, in the same region, that recovery points are encrypted with. A key of one's own,
            whose policy can be changed: AWS's key cannot be shared with another account, should copies ever go there.
        lock: Retention the vault enforces; None for none.
        admins: ARNs of the roles and users that alone may delete recovery points, shorten their retention, or change
            this rule; whoever deploys must be among them. Empty: IAM alone decides. It guards against a mistake; only
            a lock guards against somebody who may change policies.
        protect: Guard the vault against deletion by Pulumi, and keep it if it is removed from the program.
        force_destroy: Delete the vault with its recovery points; for tests that destroy what they made.
        tags: Tags of the vault.
    """

    name: str
    region: str
    key_arn: pulumi.Input[str]
    lock: VaultLock | None = None
    admins: Sequence[str] = ()
    protect: bool = True
    force_destroy: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not VAULT_NAME.fullmatch(self.name):
            raise ValueError(f"vault {self.name!r}: AWS takes 2 to 50 letters, digits, _ and -; rename it")
        if self.protect and self.force_destroy:
            raise ValueError(
                f"vault {self.name} is both protected and to be destroyed with what it holds; choose one of the two"
            )
        for admin in self.admins:
            if not PRINCIPAL.fullmatch(admin):
                raise ValueError(
                    f"vault {self.name}: {admin!r} is not the ARN of one role or user, and everybody else is kept from "
                    "deleting; name it as arn:aws:iam::<account>:role/<name>"
                )


class BackupVault(pulumi.ComponentResource):
    """A vault, its lock and its access policy.

    Attributes:
        vault_name: The vault's name: what a plan of its region backs up to.
        arn: Its ARN: what a plan of another region copies to.
    """

    vault_name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: BackupVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:BackupVault", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        vault = backup.Vault(
            f"{name}-vault",
            name=args.name,
            kms_key_arn=args.key_arn,
            force_destroy=args.force_destroy,
            region=args.region,
            tags=dict(args.tags),
            opts=kept,
        )
        if args.lock:
            self._lock(f"{name}-lock", vault, args.lock, args)
        if args.admins:
            backup.VaultPolicy(
                f"{name}-policy",
                backup_vault_name=vault.name,
                policy=keep_recovery_points(args.admins),
                region=args.region,
                opts=kept,
            )
        self.vault_name, self.arn = vault.name, vault.arn
        self.register_outputs({"vault_name": self.vault_name, "arn": self.arn})

    def _lock(self, name: str, vault: backup.Vault, lock: VaultLock, args: BackupVaultArgs) -> None:
        """Every change of a lock is a replacement, and the plugin's delete lifts whatever lock the vault then has.

        So the old one goes first, or the vault would end up without any. Where the vault is protected the lock is
        retained instead: a new one is put over it, and removing it from the program leaves it on. `protect` would
        stop even that change.
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
