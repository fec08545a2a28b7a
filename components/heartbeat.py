"""Heartbeat: writes a sentinel into the primary's control bucket every minute, by a schedule that calls S3 itself.

Replication carries it to the recovery region, where its age says how much of what was written last would be lost. No
code runs for it. Costs about $0.25 a month: 43,800 PUT requests (S3 pricing page).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, scheduler

from components.iam import EncryptedBucket, trust_service, write_object
from dr.functions.prober import SENTINEL_KEY

PUT_OBJECT = "arn:aws:scheduler:::aws-sdk:s3:putObject"
"""A universal target (EventBridge Scheduler user guide, "Using universal targets")."""


@dataclass(frozen=True)
class HeartbeatArgs:
    """Arguments of `Heartbeat`.

    Args:
        name: The schedule's name.
        account: The AWS account's twelve digits.
        region: The primary region.
        bucket: Its control bucket, once it replicates.
        key_arn: ARN of the key that bucket is encrypted with.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    bucket: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class Heartbeat(pulumi.ComponentResource):
    """The schedule, and the role it writes with."""

    def __init__(self, name: str, args: HeartbeatArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:watch:Heartbeat", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{name}-role",
            assume_role_policy=trust_service("scheduler.amazonaws.com", args.account),
            description=f"Writes {SENTINEL_KEY} in {args.region}",
            tags=dict(args.tags),
            opts=own,
        )
        writes = iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.all(args.bucket, args.key_arn).apply(
                lambda known: write_object(EncryptedBucket(str(known[0]), args.region, str(known[1])), SENTINEL_KEY)
            ),
            opts=own,
        )
        scheduler.Schedule(
            f"{name}-schedule",
            name=args.name,
            schedule_expression="rate(1 minute)",
            flexible_time_window=scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=scheduler.ScheduleTargetArgs(
                arn=PUT_OBJECT,
                role_arn=role.arn,
                input=pulumi.Output.from_input(args.bucket).apply(_put_object),
                retry_policy=scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=60, maximum_retry_attempts=0
                ),
            ),
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[writes]),
        )
        self.register_outputs({})


def _put_object(bucket: str) -> str:
    """The call's parameters; the time is put in by the scheduler."""
    body = json.dumps({"written": "<aws.scheduler.scheduled-time>"})
    content = {"ContentType": "application/json", "Body": body}
    return json.dumps({"Bucket": bucket, "Key": SENTINEL_KEY, **content})
