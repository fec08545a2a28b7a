"""Messages that services send to SQS queues, and the metrics of queues.

Sources: SQS developer guide, "Available CloudWatch metrics for Amazon SQS" (a value a minute while a queue is active);
EventBridge user guide, "Using dead-letter queues to process undelivered events" (the queue's policy admits EventBridge
for a rule); EventBridge Scheduler user guide, "Configuring a schedule's dead-letter queue" and Lambda developer guide,
"Retain records of asynchronous invocations" (the role may send).
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.sqs.models import Queue, sqs_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours.replication_access import may
from sandbox.aws.faults import Faults

SEND = "sqs:SendMessage"
NAMESPACE, VISIBLE = "AWS/SQS", "ApproximateNumberOfMessagesVisible"


def queue_of(arn: str) -> Queue | None:
    """Return a queue by its ARN; None if it does not exist."""
    region, name = arn.split(":")[3], arn.rpartition(":")[2]
    found: Queue | None = sqs_backends[ACCOUNT][region].queues.get(name)
    return found


def send_as_role(role_arn: str, arn: str, body: Any) -> str:
    """Send a message with a role's permissions. Return the reason of a refusal, or an empty string."""
    if not may(role_arn, SEND, arn):
        return f"{role_arn} may not call {SEND} on {arn}"
    return _send(arn, body)


def send_for_rule(rule_arn: str, arn: str, body: Any) -> str:
    """Send a message as EventBridge for a rule. Return the reason of a refusal, or an empty string."""
    queue = queue_of(arn)
    policy = json.loads(queue.policy) if queue and isinstance(queue.policy, str) else (queue and queue.policy) or {}
    for statement in policy.get("Statement", ()):
        principal = statement.get("Principal")
        if statement["Effect"] != "Allow" or not isinstance(principal, dict):
            continue
        wanted = [each for tests in statement.get("Condition", {}).values() for each in tests.values()]
        if principal.get("Service") == "events.amazonaws.com" and all(
            each in (rule_arn, [rule_arn]) for each in wanted
        ):
            return _send(arn, body)
    return f"the policy of {arn} does not let EventBridge send for {rule_arn}"


def _send(arn: str, body: Any) -> str:
    queue = queue_of(arn)
    if queue is None:
        return f"{arn} does not exist"
    sqs_backends[ACCOUNT][arn.split(":")[3]].send_message(queue.name, json.dumps(body))
    return ""


def publish(faults: Faults, minute: datetime.datetime) -> None:
    """Publish the number of visible messages of all queues for one minute; an idle queue counts as active."""
    time = minute.astimezone(datetime.UTC).replace(tzinfo=None)
    for region, backend in list(sqs_backends[ACCOUNT].items()):
        if faults.unreachable(region):
            continue
        data = [
            {
                "MetricName": VISIBLE,
                "Value": queue.approximate_number_of_messages,
                "Dimensions": [{"Name": "QueueName", "Value": queue.name}],
                "Timestamp": time,
            }
            for queue in list(backend.queues.values())
        ]
        if data:
            cloudwatch_backends[ACCOUNT][region].put_metric_data(NAMESPACE, data)
