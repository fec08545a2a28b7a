"""RegionKey: the KMS key for data that stays in one region: cluster secrets, alarm messages and logs.

It is separate from the data keys, which the primary stack creates for both regions, because each stack must be able to
deploy its own region while the other is unavailable. It costs about $1 a month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import kms

from components.data.data_keys import DELETION_DAYS
from components.iam import key_of_region


@dataclass(frozen=True)
class RegionKeyArgs:
    """Arguments of `RegionKey`.

    Args:
        alias: The key's alias, without `alias/`.
        account: The AWS account's twelve digits.
        region: The key's region.
        protect: Protect the key from deletion by Pulumi, because the cluster's secrets cannot be read without it.
        tags: Tags of the key.
    """

    alias: str
    account: str
    region: str
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class RegionKey(pulumi.ComponentResource):
    """A KMS key with yearly rotation that CloudWatch may use for alarm messages and logs, and its alias.

    Attributes:
        arn: The key's ARN.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: RegionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:RegionKey", name, None, opts)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        key = kms.Key(
            name,
            description=f"{args.alias}: cluster secrets, alarm messages and logs in {args.region}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=key_of_region(args.account, args.region),
            region=args.region,
            tags=dict(args.tags),
            opts=protected,
        )
        alias = f"alias/{args.alias}"
        kms.Alias(f"{name}-alias", name=alias, target_key_id=key.key_id, region=args.region, opts=protected)
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})
