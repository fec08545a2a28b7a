"""Heartbeat: a schedule that writes the sentinel object into the primary's control bucket every minute.

Replication copies the sentinel to the recovery region, where its age shows how much recent data a failover would lose.
EventBridge Scheduler calls S3 directly, without a function. Costs about $0.25 a month: 43,800 PUT requests (S3 pricing
page).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.iam import EncryptedBucket, write_object
from components.monitoring.minute_schedule import MinuteSchedule, MinuteScheduleArgs
from dr.names import SENTINEL_KEY

PUT_OBJECT = "arn:aws:scheduler:::aws-sdk:s3:putObject"
"""Universal target (EventBridge Scheduler user guide, "Using universal targets")."""


@dataclass(frozen=True)
class HeartbeatArgs:
    """Arguments of `Heartbeat`.

    Args:
        name: The schedule's name.
        account: The AWS account's twelve digits.
        region: The primary region.
        bucket: Name of its control bucket; resolves when replication is configured.
        key_arn: ARN of the KMS key that encrypts that bucket.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class Heartbeat(pulumi.ComponentResource):
    """The schedule and its role."""

    def __init__(self, name: str, args: HeartbeatArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:Heartbeat", name, None, opts)
        bucket, key = pulumi.Output.from_input(args.bucket), pulumi.Output.from_input(args.key_arn)
        MinuteSchedule(
            f"{name}-schedule",
            MinuteScheduleArgs(
                name=args.name,
                account=args.account,
                region=args.region,
                purpose=f"Writes the sentinel {SENTINEL_KEY}",
                target_arn=PUT_OBJECT,
                input=bucket.apply(_put_object),
                policy=pulumi.Output.all(bucket, key).apply(
                    lambda values: write_object(
                        EncryptedBucket(str(values[0]), args.region, str(values[1])), SENTINEL_KEY
                    )
                ),
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _put_object(bucket: str) -> str:
    """Return the parameters of the call; EventBridge Scheduler fills in the time."""
    body = json.dumps({"written": "<aws.scheduler.scheduled-time>"})
    content = {"ContentType": "application/json", "Body": body}
    return json.dumps({"Bucket": bucket, "Key": SENTINEL_KEY, **content})
