"""What topics deliver: kept, by subscription, for whoever asks. Nothing leaves the machine.

A message of an alarm arrives as on AWS only if the topic's policy lets CloudWatch publish and, where the topic is
encrypted, the key's policy lets CloudWatch use the key: both are what goes wrong unseen (CloudWatch user guide,
"Permissions for Amazon SNS").
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

CLOUDWATCH = "cloudwatch.amazonaws.com"
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
KEPT = 10_000


class Messages:
    """Deliveries of all topics."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0

    def forget(self) -> None:
        """Drop what was delivered."""
        with self._lock:
            self._kept.clear()

    def since(self, number: int) -> dict[str, Any]:
        """Deliveries after `number`; `next` is the number to ask with the next time."""
        with self._lock:
            return {"next": self._number, "messages": [each for each in self._kept if each["n"] > number]}

    def publish(self, topic_arn: str, subject: str, message: str) -> str:
        """Publish as CloudWatch. Says why it was refused; nothing if it was not."""
        region = topic_arn.split(":")[3]
        topic = sns_backends[ACCOUNT][region].topics.get(topic_arn)
        if topic is None:
            return f"{topic_arn} does not exist"
        if self._faults.unreachable(region):
            return f"{region} cannot be reached"
        if not _allows(json.loads(topic.policy), ("sns:publish",)):
            return f"the policy of {topic_arn} does not let {CLOUDWATCH} publish"
        if (key := getattr(topic, "kms_master_key_id", "")) and (problem := _key_problem(region, key)):
            return problem
        self.deliver(topic_arn, subject, message)
        return ""

    def deliver(self, topic_arn: str, subject: str | None, message: str) -> None:
        """Note one delivery for each subscription."""
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


def _key_problem(region: str, key_id: str) -> str:
    key = kms_backends[ACCOUNT][region].keys.get(key_id.rpartition("/")[2])
    if key is None:
        return f"key {key_id} does not exist"
    if not all(_allows(json.loads(key.policy), (action.lower(), "kms:*")) for action in KEY_ACTIONS):
        return f"the policy of key {key_id} does not let {CLOUDWATCH} use it: {', '.join(KEY_ACTIONS)}*"
    return ""


def _allows(policy: dict[str, Any], actions: tuple[str, ...]) -> bool:
    """Whether a resource policy lets CloudWatch, on behalf of this account, do one of these."""
    return any(
        statement.get("Effect") == "Allow"
        and _is_cloudwatch(statement)
        and any(_matches(action, actions) for action in _listed(statement.get("Action")))
        for statement in policy.get("Statement", ())
    )


def _is_cloudwatch(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    if not isinstance(principal, dict) or CLOUDWATCH not in _listed(principal.get("Service")):
        return False
    conditions = statement.get("Condition", {}).get("StringEquals", {})
    given = {name.lower(): _listed(value) for name, value in conditions.items()}
    return ACCOUNT in given.get("aws:sourceaccount", [ACCOUNT])


def _matches(action: str, wanted: tuple[str, ...]) -> bool:
    return action.lower().rstrip("*") in wanted or action.lower() in wanted


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
