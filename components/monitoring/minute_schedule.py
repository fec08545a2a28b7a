"""MinuteSchedule: EventBridge Scheduler schedules that call a target every minute, and their role.

A call that the target does not accept is retried within its minute; then the next minute's call replaces it, and its
input goes to the dead-letter queue, if there is one. Costs about $0.05 a month: 43,800 invocations
at $1 a million (EventBridge pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, scheduler

from components.iam import trust_service

RETRIES = 3


@dataclass(frozen=True)
class MinuteScheduleArgs:
    """Arguments of `MinuteSchedule`.

    Args:
        name: Name of the schedules, before their suffix.
        account: The AWS account's twelve digits.
        region: The region of the schedule.
        purpose: Purpose, for the role's description.
        target_arn: ARN of the target.
        inputs: Inputs of the target as JSON by suffix of their schedule's name, "" for none; the scheduler replaces
            `<aws.scheduler.scheduled-time>`. Without inputs only the role is created, so that no IAM call is needed
            when there is a target.
        policy: Policy of the role.
        dead_letters_arn: ARN of a queue for inputs that did not reach the target, to which the policy allows to send.
        tags: Tags of the role.
    """

    name: str
    account: str
    region: str
    purpose: str
    target_arn: pulumi.Input[str]
    inputs: Mapping[str, pulumi.Input[str]]
    policy: pulumi.Input[str]
    dead_letters_arn: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class MinuteSchedule(pulumi.ComponentResource):
    """The schedules, their role and the role's policy."""

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
        for suffix, content in args.inputs.items():
            end = f"-{suffix}" if suffix else ""
            self._schedule(f"{name}{end}", f"{args.name}{end}", content, args, role, policy)
        self.register_outputs({})

    def _schedule(
        self,
        name: str,
        full_name: str,
        content: pulumi.Input[str],
        args: MinuteScheduleArgs,
        role: iam.Role,
        policy: iam.RolePolicy,
    ) -> None:
        letters = args.dead_letters_arn
        scheduler.Schedule(
            name,
            name=full_name,
            schedule_expression="rate(1 minute)",
            flexible_time_window=scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=scheduler.ScheduleTargetArgs(
                arn=args.target_arn,
                role_arn=role.arn,
                input=content,
                dead_letter_config=None
                if letters is None
                else scheduler.ScheduleTargetDeadLetterConfigArgs(arn=letters),
                retry_policy=scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=60, maximum_retry_attempts=RETRIES
                ),
            ),
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
