"""Events of AWS services on the default event bus, and the targets of the rules that match them.

Topics and functions are targets. A target gets nothing if its policy does not admit EventBridge: the event goes to the
target's dead-letter queue, and the reason is in the emulator's log. Sources: EventBridge user guide, "Using
resource-based policies for Amazon EventBridge", "Amazon EventBridge input transformation" and "Using dead-letter queues
to process undelivered events".
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from moto.awslambda.models import lambda_backends
from moto.events.models import events_backends
from moto.events.utils import EventMessageType

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import queues
from sandbox.aws.behaviours.messages import EVENTS
from sandbox.aws.world import World

PLACE = re.compile(r"<([\w.-]+)>")


def emit(world: World, region: str, source: str, kind: str, detail: Mapping[str, Any], at: datetime.datetime) -> None:
    """Deliver an event of a service.

    Args:
        world: The emulator's shared parts.
        region: Region of the event.
        source: The service: "aws.backup".
        kind: The event's `detail-type`.
        detail: Its `detail`.
        at: Its time.
    """
    event: EventMessageType = {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [],
        "detail": dict(detail),
    }
    bus = events_backends[ACCOUNT][region].event_buses.get("default")
    for rule in list(bus.rules.values()) if bus else ():
        if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(event):
            for target in list(rule.targets):
                _deliver(world, region, rule, target, event)


def _deliver(world: World, region: str, rule: Any, target: Mapping[str, Any], event: EventMessageType) -> None:
    arn, text = str(target["Arn"]), _input(target, event)
    service = arn.split(":")[2]
    refused = f"{arn} is not a target that the sandbox knows"
    if service == "sns":
        refused = world.messages.publish(arn, None, text, EVENTS)
    elif service == "lambda":
        refused = _start(world, region, rule.arn, arn, text)
    if not refused:
        return
    sys.stderr.write(f"event rule {rule.name} in {region}: {refused}\n")
    if (letters := target.get("DeadLetterConfig", {}).get("Arn")) and (
        lost := queues.send_for_rule(rule.arn, letters, event)
    ):
        sys.stderr.write(f"event rule {rule.name} in {region}: {lost}\n")


def _start(world: World, region: str, rule_arn: str, arn: str, text: str) -> str:
    """Start a function if its policy lets EventBridge invoke it for this rule. Return the reason of a refusal."""
    name = arn.rpartition(":function:")[2]
    try:
        function = lambda_backends[ACCOUNT][region].get_function(name)
    except Exception as error:  # noqa: BLE001 - moto's own errors for an unknown function
        return str(error)
    for statement in function.policy.statements if function.policy else ():
        if statement.get("Principal") != {"Service": EVENTS}:
            continue
        tests = [test for operator in statement.get("Condition", {}).values() for test in operator.items()]
        wanted = {name.lower(): value for name, value in tests}
        if wanted.get("aws:sourcearn", rule_arn) == rule_arn:
            world.functions.start(region, name, json.loads(text))
            return ""
    return f"the policy of {name} does not let {EVENTS} invoke it for {rule_arn}"


def _input(target: Mapping[str, Any], event: EventMessageType) -> str:
    """What a target gets: the event, a constant, or a template with values of the event."""
    if "Input" in target:
        return str(target["Input"])
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values = {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    # A path that the event does not have is replaced by nothing.
    text = PLACE.sub(lambda found: str(values.get(found[1]) or ""), transformer["InputTemplate"])
    # A template that is one JSON string arrives as its text.
    return str(json.loads(text)) if text.startswith('"') else text


def _at(event: Any, path: str) -> Any:
    for part in path.removeprefix("$.").split("."):
        event = event.get(part) if isinstance(event, dict) else None
    return event
