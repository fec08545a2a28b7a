"""MinuteSchedule: an EventBridge Scheduler schedule that calls a target every minute, and its role.

A failed call is not retried, because the next minute's call replaces it. Costs about $0.05 a month: 43,800 invocations
at $1 a million (EventBridge pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, scheduler

from components.iam import trust_service


@dataclass(frozen=True)
class MinuteScheduleArgs:
    """Arguments of `MinuteSchedule`.

    Args:
        name: The schedule's name.
        account: The AWS account's twelve digits.
        region: The region of the schedule.
        purpose: Purpose, for the role's description.
        target_arn: ARN of the target.
        input: Input of the target as JSON; the scheduler replaces `<aws.scheduler.scheduled-time>`. None creates only
            the role, so that no IAM call is needed when there is a target.
        policy: Policy of the role.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    purpose: str
    target_arn: pulumi.Input[str]
    input: pulumi.Input[str] | None
    policy: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class MinuteSchedule(pulumi.ComponentResource):
    """The schedule, its role and the role's policy."""

    def __init__(self, name: str, args: MinuteScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:MinuteSchedule", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{name}-role",
            assume_role_policy=trust_service("scheduler.amazonaws.com", args.account),
            description=f"{args.purpose} in {args.region}",
            tags=dict(args.tags),
            opts=own,
        )
        policy = iam.RolePolicy(f"{name}-policy", role=role.name, policy=args.policy, opts=own)
        if args.input is not None:
            self._schedule(name, args, role, policy)
        self.register_outputs({})

    def _schedule(self, name: str, args: MinuteScheduleArgs, role: iam.Role, policy: iam.RolePolicy) -> None:
        scheduler.Schedule(
            name,
            name=args.name,
            schedule_expression="rate(1 minute)",
            flexible_time_window=scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=scheduler.ScheduleTargetArgs(
                arn=args.target_arn,
                role_arn=role.arn,
                input=args.input,
                retry_policy=scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=60, maximum_retry_attempts=0
                ),
            ),
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
