"""AirGappedVault: a logically air-gapped vault, which AWS keeps in an account of its own under a compliance lock.

A principal that takes over this account can delete neither the vault's recovery points nor shorten their retention, and
cannot disable the key: the vault has a key of AWS Backup, which is what AWS recommends (developer guide, "Logically
air-gapped vault", "Considerations for vault encryption"). The vault's bounds of retention can never be changed, so a
change replaces it, which AWS refuses while it holds a recovery point.

The vault is free. Its recovery points are charged by GB-month at prices of their own, which have no source here, and
each copy from us-east-1 to another region $0.02 a GB for its transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import backup

from components.data.backup_rules import LONGEST_DAYS
from components.data.backup_vault import PRINCIPAL, VAULT_NAME
from components.iam import keep_recovery_points
from dr.topology.air_gap import LEAST_DAYS


@dataclass(frozen=True)
class AirGappedVaultArgs:
    """Arguments of `AirGappedVault`.

    Args:
        name: The vault's name, unique in its region: 2 to 50 letters, digits, _ and -.
        region: The vault's region.
        min_days: Shortest retention that it accepts, at least 7.
        max_days: Longest retention that it accepts.
        admins: ARNs of the only roles and users that may change the access policy. The policy denies deletions as the
            other vaults' policies do; what holds is the lock.
        protect: Protect the vault from deletion by Pulumi, and retain it when it is removed from the program.
        tags: Tags of the vault.

    Raises:
        ValueError: The name, an admin or the days are invalid.
    """

    name: str
    region: str
    min_days: int
    max_days: int
    admins: Sequence[str] = ()
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not VAULT_NAME.fullmatch(self.name):
            raise ValueError(
                f"vault name {self.name!r} is not valid: use 2 to 50 letters, digits, _ and -; rename the vault"
            )
        if not LEAST_DAYS <= self.min_days <= self.max_days <= LONGEST_DAYS:
            raise ValueError(
                f"air-gapped vault {self.name} with a retention of {self.min_days} to {self.max_days} days: AWS Backup "
                f"accepts {LEAST_DAYS} to {LONGEST_DAYS}; choose days in that range, the shortest first"
            )
        for admin in self.admins:
            if not PRINCIPAL.fullmatch(admin):
                raise ValueError(
                    f"vault {self.name}: admin {admin!r} is not the ARN of one role or user; "
                    "use arn:aws:iam::<account>:role/<name>"
                )


class AirGappedVault(pulumi.ComponentResource):
    """A logically air-gapped vault and its access policy.

    Attributes:
        arn: The vault's ARN, to which backup plans copy.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: AirGappedVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:AirGappedVault", name, None, opts)
        vault = backup.LogicallyAirGappedVault(
            f"{name}-vault",
            name=args.name,
            min_retention_days=args.min_days,
            max_retention_days=args.max_days,
            region=args.region,
            tags=dict(args.tags),
            # Its name is fixed, so the old vault has to go before a new one is created.
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, retain_on_delete=args.protect, delete_before_replace=True
            ),
        )
        backup.VaultPolicy(
            f"{name}-policy",
            backup_vault_name=vault.name,
            policy=keep_recovery_points(args.admins),
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect),
        )
        self.arn = vault.arn
        self.register_outputs({"arn": self.arn})
