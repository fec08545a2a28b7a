"""ScheduledFunction: a Lambda function from dr/functions/ that EventBridge Scheduler invokes every minute.

A deployment runs a new function once (`dr.functions.first_run`). A function that does not start fails the deployment.

Lambda retries a failed run twice, and the record of one that still fails is kept in the region's dead-letter queue
(`components.monitoring.dead_letters`). Functions read current values on every run, so a retry does no harm. No
concurrency is reserved: reserving requires 100 unreserved
executions in the account, and the quota of a new account is lower (Lambda developer guide, "Configuring reserved
concurrency" and "Lambda quotas").

Costs about $0.30 a month for 43,800 runs of a second with 256 MB, and $6 for a function that takes samples for 40 s of
each minute (Lambda pricing page: $0.0000133334 a GB-second on Arm). The schedule costs less than $0.10.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_

from components.iam import document, invoke_function, trust_service, write_logs
from components.monitoring.dead_letters import keep_failed_events, send_to
from components.monitoring.function_code import archive_of, handler_of
from components.monitoring.minute_schedule import MinuteSchedule, MinuteScheduleArgs
from dr.functions import first_run

RUNTIME = "python3.13"
MEMORY_MIB, TIMEOUT_SECONDS = 256, 115
"""Enough for samples over 40 s (`dr.functions.sampling`), and for two calls of two attempts each to a service that does
not respond (`dr.clients`) at the last one. A run may overlap the next one."""
LOG_DAYS = 30


@dataclass(frozen=True)
class ScheduledFunctionArgs:
    """Arguments of `ScheduledFunction`.

    Args:
        function: Name of a module in dr/functions/.
        name: The function's name.
        account: The AWS account's twelve digits.
        log_key_arn: ARN of the KMS key that encrypts the function's logs.
        dead_letters_arn: ARN of the queue for events that the function could not process.
        region: The function's region.
        variables: Environment variables.
        statements: Policy statements of its role, in addition to writing its log.
        tags: Tags of every resource.
    """

    function: str
    name: str
    account: str
    log_key_arn: pulumi.Input[str]
    dead_letters_arn: pulumi.Input[str]
    region: str
    variables: Mapping[str, pulumi.Input[str]]
    statements: pulumi.Input[Sequence[dict[str, Any]]]
    tags: Mapping[str, str] = field(default_factory=dict)


def make_function(
    name: str, args: ScheduledFunctionArgs, parent: pulumi.Resource, timeout: int = TIMEOUT_SECONDS
) -> lambda_.Function:
    """Create a function with its log group and role, keep its failed events, and run it once.

    Args:
        name: Name of the resource.
        args: The function.
        parent: The component that owns it.
        timeout: Time limit of a run in seconds.
    """
    own = pulumi.ResourceOptions(parent=parent)
    tags = dict(args.tags)
    logs = cloudwatch.LogGroup(
        f"{name}-logs",
        name=f"/{args.name}",
        retention_in_days=LOG_DAYS,
        kms_key_id=args.log_key_arn,
        region=args.region,
        tags=tags,
        opts=own,
    )
    role = iam.Role(
        f"{name}-role",
        assume_role_policy=trust_service("lambda.amazonaws.com"),
        description=f"{args.name} in {args.region}",
        tags=tags,
        opts=own,
    )
    policy = iam.RolePolicy(
        f"{name}-policy",
        role=role.name,
        policy=pulumi.Output.all(logs.arn, args.statements, args.dead_letters_arn).apply(
            lambda values: document([write_logs(str(values[0])), *values[1], send_to(str(values[2]))])
        ),
        opts=own,
    )
    function = lambda_.Function(
        name,
        name=args.name,
        role=role.arn,
        runtime=RUNTIME,
        architectures=["arm64"],
        handler=handler_of(args.function),
        code=archive_of(args.function),
        memory_size=MEMORY_MIB,
        timeout=timeout,
        environment=lambda_.FunctionEnvironmentArgs(variables=dict(args.variables)),
        logging_config=lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
        region=args.region,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )
    keep_failed_events(f"{name}-events", function, args.dead_letters_arn, args.region, own)
    lambda_.Invocation(
        f"{name}-first-run",
        function_name=function.name,
        input=json.dumps({first_run.NAME: True}),
        region=args.region,
        opts=own,
    )
    return function


class ScheduledFunction(pulumi.ComponentResource):
    """A Lambda function with its log group, role and schedule.

    Attributes:
        name: The function's name, a dimension of its metrics.
    """

    name: str

    def __init__(self, name: str, args: ScheduledFunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:ScheduledFunction", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        function = make_function(name, args, self)
        MinuteSchedule(
            f"{name}-schedule",
            MinuteScheduleArgs(
                name=args.name,
                account=args.account,
                region=args.region,
                purpose=f"Invokes {args.name}",
                target_arn=function.arn,
                inputs={"": "{}"},
                policy=pulumi.Output.all(function.arn, args.dead_letters_arn).apply(
                    lambda arns: document([invoke_function(str(arns[0])), send_to(str(arns[1]))])
                ),
                dead_letters_arn=args.dead_letters_arn,
                tags=args.tags,
            ),
            own,
        )
        self.name = args.name
        self.register_outputs({"name": self.name})
