"""One KMS key a region, for data that is replicated between them.

Not one multi-Region key: S3 treats those as single-Region keys, and decrypts and encrypts anew either way (S3 user
guide, "Replicating encrypted objects"), while a key of its own keeps each region's data readable if the other's key is
lost or disabled. Costs about $1 a month each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import kms

DELETION_DAYS = 30
"""The longest KMS offers: a key is the data."""


@dataclass(frozen=True)
class DataKeysArgs:
    """Arguments of `DataKeys`.

    Args:
        alias: The alias of both keys, without `alias/`.
        source_region: Region of the first key.
        replica_region: Region of the second; must be another one.
        protect: Guard both keys against deletion by Pulumi, and keep them if they are removed from the program.
        tags: Tags of both keys.
    """

    alias: str
    source_region: str
    replica_region: str
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.source_region == self.replica_region:
            raise ValueError(f"both keys would be in {self.source_region}; name two regions")


class DataKeys(pulumi.ComponentResource):
    """A key in each of two regions, rotated every year, each with the same alias.

    Attributes:
        source_arn: ARN of the first region's key.
        replica_arn: ARN of the second region's key.
    """

    source_arn: pulumi.Output[str]
    replica_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:DataKeys", name, None, opts)
        # Both: a bucket that is not empty survives `pulumi destroy`, and would not be readable without its key.
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        self.source_arn = self._key(f"{name}-source", args, args.source_region, kept)
        self.replica_arn = self._key(f"{name}-replica", args, args.replica_region, kept)
        self.register_outputs({"source_arn": self.source_arn, "replica_arn": self.replica_arn})

    def _key(self, name: str, args: DataKeysArgs, region: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        key = kms.Key(
            name,
            description=f"{args.alias}: replicated data in {region}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            region=region,
            tags=dict(args.tags),
            opts=opts,
        )
        kms.Alias(f"{name}-alias", name=f"alias/{args.alias}", target_key_id=key.key_id, region=region, opts=opts)
        return key.arn
