"""RegionKey: the KMS key of what lives in one region alone: a cluster's secrets, the messages of its alarms.

Apart from the data keys, which the primary stack owns for both regions: each stack must be able to deploy its own
region while the other is gone. Costs about $1 a month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import kms

from components.data.data_keys import DELETION_DAYS
from components.iam import key_for_alarms


@dataclass(frozen=True)
class RegionKeyArgs:
    """Arguments of `RegionKey`.

    Args:
        alias: The key's alias, without `alias/`.
        account: The AWS account's twelve digits.
        region: The key's region.
        protect: Guard the key against deletion by Pulumi: the secrets of a cluster cannot be read without it.
        tags: Tags of the key.
    """

    alias: str
    account: str
    region: str
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class RegionKey(pulumi.ComponentResource):
    """A key, rotated every year, that CloudWatch may use for messages of alarms.

    Attributes:
        arn: The key's ARN.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: RegionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:RegionKey", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        key = kms.Key(
            name,
            description=f"{args.alias}: cluster secrets and alarm messages in {args.region}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=key_for_alarms(args.account),
            region=args.region,
            tags=dict(args.tags),
            opts=kept,
        )
        kms.Alias(f"{name}-alias", name=f"alias/{args.alias}", target_key_id=key.key_id, region=args.region, opts=kept)
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})
