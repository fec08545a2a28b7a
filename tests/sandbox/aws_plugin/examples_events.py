"""Examples of EventBridge's types."""

from __future__ import annotations

import json
from typing import Any

from tests.sandbox.aws_plugin.examples import TAGS, Example, Inputs

RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
TOPIC = "aws:sns/topic:Topic"
PATTERN = json.dumps({"source": ["aws.backup"]})


def _rule(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {"name": name, "eventPattern": PATTERN, "tags": TAGS}
    return plain, {**plain, "description": "failed jobs"}


def _target(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    rule = engine.make(RULE, name, name=name, eventPattern=PATTERN).id
    first, second = (engine.make(TOPIC, f"{name}-{each}", name=f"{name}-{each}").state["arn"] for each in "ab")
    transformer = {"inputPaths": {"kind": "$.detail-type"}, "inputTemplate": '"<kind>"'}
    plain = {"rule": rule, "targetId": "alerts", "inputTransformer": transformer}
    return {**plain, "arn": first}, {**plain, "arn": second}


EXAMPLES_EVENTS = {
    "event-rule": Example(RULE, _rule, frozenset({"description"})),
    "event-target": Example(TARGET, _target, frozenset({"arn"})),
}
