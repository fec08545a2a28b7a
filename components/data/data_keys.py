"""DataKeys: one KMS key in each region, for data that is replicated between the regions.

They are two single-Region keys. S3 treats multi-Region keys as single-Region keys, and decrypts and re-encrypts either
way (S3 user guide, "Replicating encrypted objects"); and with separate keys, each region's data stays readable if the
other region's key is lost or disabled. Each costs about $1 a month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import kms

DELETION_DAYS = 30
"""Waiting period of a key's deletion, in days: the longest KMS accepts. Without its key, data is lost."""


@dataclass(frozen=True)
class DataKeysArgs:
    """Arguments of `DataKeys`.

    Args:
        alias: The alias of both keys, without `alias/`.
        source_region: Region of the first key.
        replica_region: Region of the second key; must differ.
        protect: Protect both keys from deletion by Pulumi, and retain them when they are removed from the program.
        tags: Tags of both keys.
        policy: Policy of both keys; None for the default of KMS: IAM policies of the account.

    Raises:
        ValueError: Both regions are the same.
    """

    alias: str
    source_region: str
    replica_region: str
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    policy: str | None = None

    def __post_init__(self) -> None:
        if self.source_region == self.replica_region:
            raise ValueError(f"both KMS keys would be in {self.source_region}; name two different regions")


class DataKeys(pulumi.ComponentResource):
    """Two KMS keys with yearly rotation, one in each region, and an alias of the same name for each.

    Attributes:
        source_arn: ARN of the first region's key.
        replica_arn: ARN of the second region's key.
    """

    source_arn: pulumi.Output[str]
    replica_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:DataKeys", name, None, opts)
        # A bucket that is not empty survives `pulumi destroy`, and is unreadable without its key.
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        self.source_arn = self._key(f"{name}-source", args, args.source_region, protected)
        self.replica_arn = self._key(f"{name}-replica", args, args.replica_region, protected)
        self.register_outputs({"source_arn": self.source_arn, "replica_arn": self.replica_arn})

    def _key(self, name: str, args: DataKeysArgs, region: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        key = kms.Key(
            name,
            description=f"{args.alias}: replicated data in {region}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=args.policy,
            region=region,
            tags=dict(args.tags),
            opts=opts,
        )
        kms.Alias(f"{name}-alias", name=f"alias/{args.alias}", target_key_id=key.key_id, region=region, opts=opts)
        return key.arn
