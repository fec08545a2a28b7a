"""DeadLetters: a region's SQS queue for events that a function could not process, or that did not reach their target.

An alarm fires while a message is in it (`components.monitoring.alarm_rules.dead_letters`). SQS encrypts the messages by
a key of its own, so that no permission of a KMS key can lose an event. Costs $0.40 a million messages after the first
million of a month (SQS pricing page).

For another function of the program: `send_to` its role, and `keep_failed_events` of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import lambda_, sqs

from components.iam import document

RETENTION_DAYS = 14
"""The longest that SQS keeps a message (SQS API reference, SetQueueAttributes)."""
RETRIES = 2
"""Lambda's default, after one and after two minutes (Lambda developer guide, "How Lambda handles errors and retries
with asynchronous invocation")."""
EVENT_AGE_SECONDS = 15 * 60
"""Three attempts of the longest function, with the waits between them. An older event is kept without another one."""


@dataclass(frozen=True)
class DeadLettersArgs:
    """Arguments of `DeadLetters`.

    Args:
        name: The queue's name.
        account: The AWS account's twelve digits.
        region: The queue's region.
        rules: Names of rules of EventBridge that may send events that did not reach their target.
        tags: Tags of the queue.
    """

    name: str
    account: str
    region: str
    rules: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.name}"


class DeadLetters(pulumi.ComponentResource):
    """The queue, with its policy.

    Attributes:
        name: The queue's name, a dimension of its metrics.
        arn: The queue's ARN.
    """

    name: str
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: DeadLettersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:DeadLetters", name, None, opts)
        queue = sqs.Queue(
            name,
            name=args.name,
            message_retention_seconds=RETENTION_DAYS * 24 * 60 * 60,
            sqs_managed_sse_enabled=True,
            policy=queue_policy(args),
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name, self.arn = args.name, queue.arn
        self.register_outputs({"name": self.name, "arn": self.arn})


def queue_policy(args: DeadLettersArgs) -> str:
    """Return the queue's policy: the rules may send, and calls without TLS are denied.

    By ARN of each rule, as EventBridge documents it (user guide, "Using dead-letter queues to process undelivered
    events"). Lambda and the scheduler send with the role of the function and of the schedule.
    """
    rules = [f"arn:aws:events:{args.region}:{args.account}:rule/{each}" for each in args.rules]
    of_rules = {
        "Sid": "Rules",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": args.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rules}},
    }
    tls = {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": args.arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return document([*([of_rules] if rules else []), tls])


def send_to(arn: str) -> dict[str, Any]:
    """Return a statement: send messages to a queue."""
    return {"Sid": "DeadLetters", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}


def keep_failed_events(
    name: str,
    function: lambda_.Function,
    dead_letters_arn: pulumi.Input[str],
    region: str,
    opts: pulumi.ResourceOptions,
) -> lambda_.FunctionEventInvokeConfig:
    """Have Lambda retry a function's failed events, and send the record of each that still fails to a queue.

    Args:
        name: Name of the resource.
        function: The function; its role may send to the queue.
        dead_letters_arn: ARN of the queue.
        region: Region of the function and of the queue.
        opts: Options of the resource.
    """
    return lambda_.FunctionEventInvokeConfig(
        name,
        function_name=function.name,
        maximum_retry_attempts=RETRIES,
        maximum_event_age_in_seconds=EVENT_AGE_SECONDS,
        destination_config=lambda_.FunctionEventInvokeConfigDestinationConfigArgs(
            on_failure=lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(destination=dead_letters_arn)
        ),
        region=region,
        opts=opts,
    )
