"""Deliveries of SNS topics, recorded by subscription. Nothing leaves the machine.

An alarm's message, and one of an EventBridge rule, is delivered only if the topic's policy allows the service to
publish and, for an encrypted topic, the key's policy allows the service to use the key. On AWS both fail silently
(CloudWatch user guide, "Permissions for Amazon SNS"; EventBridge user guide, "Amazon SNS permissions").
"""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any

from moto.kms.models import kms_backends
from moto.sns.models import sns_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.faults import Faults

CLOUDWATCH, EVENTS = "cloudwatch.amazonaws.com", "events.amazonaws.com"
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
KEPT = 10_000


class Messages:
    """Deliveries of all topics.

    Args:
        faults: The faults in force.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0

    def forget(self) -> None:
        """Drop all deliveries."""
        with self._lock:
            self._kept.clear()

    def since(self, number: int) -> dict[str, Any]:
        """List deliveries after `number`; `next` is the number for the next request."""
        with self._lock:
            return {"next": self._number, "messages": [each for each in self._kept if each["n"] > number]}

    def publish(self, topic_arn: str, subject: str | None, message: str, service: str = CLOUDWATCH) -> str:
        """Publish as a service. Return the reason of a refusal, or an empty string."""
        region = topic_arn.split(":")[3]
        topic = sns_backends[ACCOUNT][region].topics.get(topic_arn)
        if topic is None:
            return f"{topic_arn} does not exist"
        if self._faults.unreachable(region):
            return f"{region} cannot be reached"
        if not _allows(json.loads(topic.policy), ("sns:publish",), service):
            return f"the policy of {topic_arn} does not let {service} publish"
        if (key := getattr(topic, "kms_master_key_id", "")) and (problem := _key_problem(region, key, service)):
            return problem
        self.deliver(topic_arn, subject, message)
        return ""

    def deliver(self, topic_arn: str, subject: str | None, message: str) -> None:
        """Record a delivery for each subscription."""
        region = topic_arn.split(":")[3]
        for subscription in list(sns_backends[ACCOUNT][region].subscriptions.values()):
            if subscription.topic.arn == topic_arn:
                with self._lock:
                    self._number += 1
                    self._kept.append(
                        {
                            "n": self._number,
                            "time": clock.now().isoformat(timespec="seconds"),
                            "region": region,
                            "topic": topic_arn.rpartition(":")[2],
                            "protocol": subscription.protocol,
                            "endpoint": subscription.endpoint,
                            "subject": subject,
                            "message": message,
                        }
                    )


def _key_problem(region: str, key_id: str, service: str) -> str:
    key = kms_backends[ACCOUNT][region].keys.get(key_id.rpartition("/")[2])
    if key is None:
        return f"key {key_id} does not exist"
    if not all(_allows(json.loads(key.policy), (action.lower(), "kms:*"), service, True) for action in KEY_ACTIONS):
        return f"the policy of key {key_id} does not let {service} use it: {', '.join(KEY_ACTIONS)}*"
    return ""


def _allows(policy: dict[str, Any], actions: tuple[str, ...], service: str, of_key: bool = False) -> bool:
    """Whether a resource policy allows a service one of these actions on behalf of this account."""
    return any(
        statement.get("Effect") == "Allow"
        and _is_service(statement, service, of_key)
        and any(_matches(action, actions) for action in _listed(statement.get("Action")))
        for statement in policy.get("Statement", ())
    )


def _is_service(statement: dict[str, Any], service: str, of_key: bool) -> bool:
    """Whether a statement is about a service. EventBridge passes a key's policy neither account nor ARN of its rule
    (SNS developer guide, "Key management"), so a statement with such a condition does not apply to it."""
    principal = statement.get("Principal")
    if not isinstance(principal, dict) or service not in _listed(principal.get("Service")):
        return False
    if service == EVENTS and of_key and statement.get("Condition"):
        return False
    conditions = statement.get("Condition", {}).get("StringEquals", {})
    required = {name.lower(): _listed(value) for name, value in conditions.items()}
    return ACCOUNT in required.get("aws:sourceaccount", [ACCOUNT])


def _matches(action: str, wanted: tuple[str, ...]) -> bool:
    return action.lower().rstrip("*") in wanted or action.lower() in wanted


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
