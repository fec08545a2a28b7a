"""Examples of monitoring types: topics, queues, functions, schedules and composite alarms."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws_plugin.examples import ALARM, KEY, ROLE, TAGS, Example, Inputs, archive, document, trust
from tests.sandbox.aws_plugin.examples import _alarm as metric_alarm

TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
FUNCTION = "aws:lambda/function:Function"
INVOCATION = "aws:lambda/invocation:Invocation"
EVENT_INVOKE = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
QUEUE = "aws:sqs/queue:Queue"
PERMISSION = "aws:lambda/permission:Permission"
SCHEDULE = "aws:scheduler/schedule:Schedule"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"


def _topic(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    key = engine.make(KEY, name).state["arn"]
    plain = {"name": name, "kmsMasterKeyId": key, "tags": TAGS}
    return plain, {**plain, "displayName": "alarms"}


def _topic_policy(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    topic = engine.make(TOPIC, name, name=name).id
    first, second = (document(action, topic, Principal="*") for action in ("sns:Publish", "sns:Subscribe"))
    return {"arn": topic, "policy": first}, {"arn": topic, "policy": second}


def _subscription(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    topic = engine.make(TOPIC, name, name=name).id
    plain = {"topic": topic, "protocol": "email", "endpoint": "oncall@example.com"}
    return plain, {**plain, "rawMessageDelivery": True}


def function(engine: Any, name: str) -> Inputs:
    return {
        "name": name,
        "role": engine.make(ROLE, name, assumeRolePolicy=trust("lambda.amazonaws.com")).state["arn"],
        "runtime": "python3.13",
        "handler": "main.handler",
        "code": archive(**{"main.py": "def handler(event, context):\n    return event\n"}),
        "timeout": 30,
        "memorySize": 256,
        "architectures": ["arm64"],
        "environment": {"variables": {"REGION": "us-west-2"}},
        "loggingConfig": {"logFormat": "JSON", "logGroup": f"/ml-dr/{name}"},
        "tags": TAGS,
    }


def _function(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = function(engine, name)
    changed = archive(**{"main.py": "def handler(event, context):\n    return 1\n"})
    return first, {**first, "code": changed, "timeout": 60}


def _invocation(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    invoked = engine.make(FUNCTION, name, **function(engine, name)).id
    first = {"functionName": invoked, "input": "{}"}
    return first, first


def _queue(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    arn = f"arn:aws:sqs:us-west-2:123456789012:{name}"
    allowed = document("sqs:SendMessage", arn, Principal={"Service": "events.amazonaws.com"})
    plain = {"name": name, "sqsManagedSseEnabled": True, "policy": allowed, "tags": TAGS}
    return plain, {**plain, "messageRetentionSeconds": 1_209_600}


def _event_invoke(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    invoked = function(engine, name)
    queue = engine.make(QUEUE, name, name=name).state["arn"]
    role = invoked["role"].rpartition("/")[2]
    engine.make(ROLE_POLICY, name, name=name, role=role, policy=document("sqs:SendMessage", queue))
    engine.make(FUNCTION, name, **invoked)
    first = {"functionName": name, "destinationConfig": {"onFailure": {"destination": queue}}}
    return first, {**first, "maximumEventAgeInSeconds": 900}


def _permission(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    allowed = {
        "function": engine.make(FUNCTION, name, **function(engine, name)).id,
        "statementId": "events",
        "action": "lambda:InvokeFunction",
        "principal": "events.amazonaws.com",
        "sourceArn": f"arn:aws:events:us-east-1:123456789012:rule/{name}",
    }
    return allowed, allowed  # no property can be changed in place


def _schedule(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    started = engine.make(FUNCTION, name, **function(engine, name)).state["arn"]
    role = engine.make(ROLE, f"{name}-schedule", assumeRolePolicy=trust("scheduler.amazonaws.com")).state["arn"]
    first = {
        "name": name,
        "scheduleExpression": "rate(1 minute)",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {"arn": started, "roleArn": role, "input": '{"time": "<aws.scheduler.scheduled-time>"}'},
    }
    return first, {**first, "scheduleExpression": "rate(5 minutes)"}


def _composite(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    for number in range(2):
        engine.make(ALARM, f"{name}-{number}", **metric_alarm(name=f"{name}-{number}"))
    plain = {"alarmName": name, "alarmDescription": "at risk", "tags": TAGS}
    one, other = (f'ALARM("{name}-{number}")' for number in range(2))
    return {**plain, "alarmRule": f"{one} OR {other}"}, {**plain, "alarmRule": f"{one} AND {other}"}


EXAMPLES_WATCHING = {
    "topic": Example(TOPIC, _topic, frozenset({"displayName"})),
    "topic-policy": Example(TOPIC_POLICY, _topic_policy, frozenset({"policy"}), stays=True),
    "subscription": Example(SUBSCRIPTION, _subscription, frozenset({"rawMessageDelivery"})),
    "function": Example(FUNCTION, _function, frozenset({"code", "timeout"})),
    "invocation": Example(INVOCATION, _invocation, frozenset(), stays=True, imports=False),
    "event-invoke": Example(EVENT_INVOKE, _event_invoke, frozenset({"maximumEventAgeInSeconds"})),
    "queue": Example(QUEUE, _queue, frozenset({"messageRetentionSeconds"})),
    "permission": Example(PERMISSION, _permission, frozenset(), imports=False),
    "schedule": Example(SCHEDULE, _schedule, frozenset({"scheduleExpression"})),
    "composite-alarm": Example(COMPOSITE, _composite, frozenset({"alarmRule"})),
}
