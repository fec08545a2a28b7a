"""Asynchronous invocations of functions: what happens after a failed attempt.

Lambda runs an event that failed twice more, after one and after two minutes, and then sends a record of it to the
destination of failures. An event that would wait longer than its highest age is sent there at once. Sources: Lambda
developer guide, "How Lambda handles errors and retries with asynchronous invocation" and "Retain records of
asynchronous invocations". Destinations are SQS queues only.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import queues

RETRIES, AGE_SECONDS = 2, 6 * 60 * 60
"""Lambda's defaults."""
WAITS = (60, 120)
"""Seconds until the second and the third attempt."""


@dataclass
class Invocation:
    """An event of an asynchronous invocation.

    Args:
        region: Region of the function.
        name: Name of the function.
        event: The event.
        queued: When Lambda accepted it, in seconds since 1970.
        id: ID of the request, the same for each attempt.
        attempts: Number of attempts that have ended.
        due: When the next attempt starts, in seconds since 1970.
    """

    region: str
    name: str
    event: Any
    queued: float = field(default_factory=lambda: clock.now().timestamp())
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    due: float = 0.0


class Retries:
    """Events that wait for their next attempt."""

    def __init__(self) -> None:
        self._waiting: list[Invocation] = []
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Drop all events."""
        with self._lock:
            self._waiting.clear()

    def failed(self, function: LambdaFunction, invocation: Invocation, payload: bytes) -> None:
        """Keep an event for its next attempt, or send its record to the destination of failures.

        Args:
            function: The function.
            invocation: The event, of which one more attempt failed.
            payload: What the function answered.
        """
        config = settings_of(function)
        invocation.attempts += 1
        limit = config.get("MaximumRetryAttempts", RETRIES)
        age = config.get("MaximumEventAgeInSeconds", AGE_SECONDS)
        if invocation.attempts > limit:
            self._discard(function, invocation, payload, "RetriesExhausted")
            return
        invocation.due = clock.now().timestamp() + WAITS[invocation.attempts - 1]
        if invocation.due - invocation.queued > age:
            self._discard(function, invocation, payload, "EventAgeExceeded")
            return
        with self._lock:
            self._waiting.append(invocation)

    def take(self) -> list[Invocation]:
        """Return the events of which an attempt is due, and drop them here."""
        now = clock.now().timestamp()
        with self._lock:
            due = [each for each in self._waiting if each.due <= now]
            self._waiting = [each for each in self._waiting if each.due > now]
        return due

    def _discard(self, function: LambdaFunction, invocation: Invocation, payload: bytes, condition: str) -> None:
        arn = settings_of(function).get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if not arn:
            return
        record = {
            "version": "1.0",
            "timestamp": clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "requestContext": {
                "requestId": invocation.id,
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": condition,
                "approximateInvokeCount": invocation.attempts,
            },
            "requestPayload": invocation.event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": json.loads(payload),
        }
        if refused := queues.send_as_role(str(function.role), arn, record):
            sys.stderr.write(f"function {invocation.name} in {invocation.region}: {refused}\n")
            of = [{"Name": "FunctionName", "Value": invocation.name}]
            lost = {"MetricName": "DestinationDeliveryFailures", "Value": 1, "Dimensions": of}
            cloudwatch_backends[ACCOUNT][invocation.region].put_metric_data("AWS/Lambda", [lost])


def settings_of(function: LambdaFunction) -> dict[str, Any]:
    """Return a function's configuration of asynchronous invocations."""
    configs = function.event_invoke_config
    return dict(configs[0].config) if configs else {}
