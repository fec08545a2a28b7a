"""EventFunction: a Lambda function from dr/functions/ that EventBridge invokes for the events of a pattern.

An event that it cannot process is kept (`components.monitoring.dead_letters`). A run costs less than a cent: 4 minutes
with 256 MB are $0.001 (Lambda pricing page).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, lambda_

from components.monitoring.scheduled_function import ScheduledFunctionArgs, make_function

RESTORE_TESTS = {
    "source": ["aws.backup"],
    "detail-type": ["Restore Job State Change"],
    "detail": {"status": ["COMPLETED"], "restoreTestingPlanArn": [{"exists": True}]},
}
"""Pattern of restore tests of AWS Backup that have completed (developer guide, "Restore testing validation")."""
TIMEOUT_SECONDS = 240
"""Three attempts and the waits between them end before Lambda gives the event up (`EVENT_AGE_SECONDS`)."""


@dataclass(frozen=True, kw_only=True)
class EventFunctionArgs(ScheduledFunctionArgs):
    """Arguments of `EventFunction`, besides those of each function.

    Args:
        pattern: Pattern of the events.
        purpose: Description of the rule.
    """

    pattern: Mapping[str, Any] = field(default_factory=dict)
    purpose: str


class EventFunction(pulumi.ComponentResource):
    """A Lambda function with its log group, role and rule.

    Attributes:
        name: The function's name, a dimension of its metrics.
    """

    name: str

    def __init__(self, name: str, args: EventFunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:EventFunction", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        function = make_function(name, args, self, TIMEOUT_SECONDS)
        rule = cloudwatch.EventRule(
            f"{name}-rule",
            name=args.name,
            description=args.purpose,
            event_pattern=json.dumps(args.pattern),
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        permission = lambda_.Permission(
            f"{name}-permission",
            statement_id="events",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            region=args.region,
            opts=own,
        )
        cloudwatch.EventTarget(
            f"{name}-target",
            rule=rule.name,
            target_id="function",
            arn=function.arn,
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.name = args.name
        self.register_outputs({"name": self.name})
