"""ScheduledFunction: a function of dr/functions/, started every minute by EventBridge Scheduler.

Lambda runs an event whose run failed twice more (Lambda developer guide, asynchronous invocation). So functions read
anew what they publish, and a repeat does no harm: alarms take the greatest age of a minute, and levers are as they are
now. No concurrency is reserved: it must leave the account 100 unreserved, and a new account has fewer than that in all
(Lambda developer guide, "Configuring reserved concurrency" and "Lambda quotas").

Costs about $0.30 a month: 43,800 runs of a second with 256 MB (Lambda pricing page), and the schedule less than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_

from components.iam import document, invoke_function, trust_service, write_logs
from components.monitoring.function_code import code_of, handler_of
from components.monitoring.minute_schedule import MinuteSchedule, MinuteScheduleArgs

RUNTIME = "python3.13"
MEMORY_MIB, TIMEOUT_SECONDS = 256, 55
"""Two attempts at a service that does not answer, twice (`dr.clients`), and still over before the next minute's run."""
LOG_DAYS = 30


@dataclass(frozen=True)
class ScheduledFunctionArgs:
    """Arguments of `ScheduledFunction`.

    Args:
        function: Which one: a module of dr/functions/.
        name: The function's name.
        account: The AWS account's twelve digits.
        region: Where it runs.
        variables: Its environment.
        statements: What it may do, besides writing its log.
        tags: Tags of everything.
    """

    function: str
    name: str
    account: str
    region: str
    variables: Mapping[str, pulumi.Input[str]]
    statements: pulumi.Input[Sequence[dict[str, Any]]]
    tags: Mapping[str, str] = field(default_factory=dict)


class ScheduledFunction(pulumi.ComponentResource):
    """A function, its log, its role and its schedule.

    Attributes:
        function_name: The function's name, as metrics have it.
    """

    function_name: pulumi.Output[str]

    def __init__(self, name: str, args: ScheduledFunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:ScheduledFunction", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        tags = dict(args.tags)
        logs = cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/{args.name}",
            retention_in_days=LOG_DAYS,
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
            policy=pulumi.Output.all(logs.arn, args.statements).apply(
                lambda known: document([write_logs(str(known[0])), *known[1]])
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
            code=code_of(args.function),
            memory_size=MEMORY_MIB,
            timeout=TIMEOUT_SECONDS,
            environment=lambda_.FunctionEnvironmentArgs(variables=dict(args.variables)),
            logging_config=lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
            region=args.region,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        MinuteSchedule(
            f"{name}-schedule",
            MinuteScheduleArgs(
                name=args.name,
                account=args.account,
                region=args.region,
                does=f"Starts {args.name}",
                target_arn=function.arn,
                input='{"time": "<aws.scheduler.scheduled-time>"}',
                policy=function.arn.apply(invoke_function),
                tags=args.tags,
            ),
            own,
        )
        self.function_name = function.name
        self.register_outputs({"function_name": self.function_name})
