"""MinuteSchedule: starts something every minute, by EventBridge Scheduler and a role that may do just that.

A minute that was missed is worth nothing in the next one, so nothing is tried again. Costs about $0.05 a month: 43,800
invocations at $1 a million (EventBridge pricing page).
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
        region: Where it runs.
        does: What it does, for a person: the role's description.
        target_arn: What is started.
        input: What it is given, as JSON; the scheduler puts in the time for `<aws.scheduler.scheduled-time>`. None:
            the role alone, so that IAM is not needed on the day there is something to start.
        policy: What the role may do.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    does: str
    target_arn: pulumi.Input[str]
    input: pulumi.Input[str] | None
    policy: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class MinuteSchedule(pulumi.ComponentResource):
    """The schedule and its role."""

    def __init__(self, name: str, args: MinuteScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:MinuteSchedule", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{name}-role",
            assume_role_policy=trust_service("scheduler.amazonaws.com", args.account),
            description=f"{args.does} in {args.region}",
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
