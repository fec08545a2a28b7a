"""EventBridge: rules of the default event bus, and their targets.

After internal/service/events/{rule,target}.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType

NAME, NAMED = r"[0-9A-Za-z_.-]{1,64}", "1 to 64 letters, digits, _ . and -"


def _put_rule(rule: Resource) -> None:
    """Put the whole rule: AWS resets what is left out."""
    arguments = rule.arguments("put_rule")
    if rule.changed is None:
        tags = [{"Key": name, "Value": value} for name, value in rule.wanted["tagsAll"].items()]
        arguments |= {"Tags": tags} if tags else {}
        rule.tagged = True
    rule.send("put_rule", **arguments)
    rule.id = rule.wanted["name"]


def _read_rule(rule: Resource) -> dict[str, Any]:
    return rule.send("describe_rule", Name=rule.id.rpartition("/")[2])


RULE = ResourceType(
    token="aws:cloudwatch/eventRule:EventRule",
    service="events",
    shape="PutRuleRequest",
    properties="name! eventPattern:json scheduleExpression description state eventBusName forceDestroy:boolean",
    outputs="arn=Arn:string",
    identity="{Name}",
    auto_name=AutoName("name", 64),
    defaults={"eventBusName": "default", "forceDestroy": False},
    computed=frozenset({"state"}),
    replace_on=frozenset({"name", "eventBusName"}),
    needs={"": ("eventPattern", "scheduleExpression")},
    checks=(matches("name", NAME, NAMED),),
    create=_put_rule,
    read=_read_rule,
    update=(("eventPattern scheduleExpression description state", _put_rule),),
    # Its targets may be deleted at the same time.
    delete=Call("delete_rule", retries=("since it has targets",)),
    tags=tagged("ResourceARN", "arn"),
)


def _put_target(target: Resource) -> None:
    wanted = target.wanted
    described = {"Id": wanted["targetId"], "Arn": wanted["arn"]}
    if transformer := wanted.get("inputTransformer"):
        paths = transformer.get("inputPaths") or {}
        described["InputTransformer"] = {"InputPathsMap": paths, "InputTemplate": transformer["inputTemplate"]}
    if letters := wanted.get("deadLetterConfig"):
        described["DeadLetterConfig"] = {"Arn": letters["arn"]}
    if "input" in wanted:
        described["Input"] = wanted["input"]
    answer = target.send("put_targets", Rule=wanted["rule"], EventBusName=wanted["eventBusName"], Targets=[described])
    if answer.get("FailedEntryCount"):
        raise RuntimeError(json.dumps(answer["FailedEntries"]))
    target.id = f"{wanted['rule']}-{wanted['targetId']}"


def _read_target(target: Resource) -> dict[str, Any] | None:
    """Return the target; the rule of one that is imported by its id is searched."""
    target.id = target.id.replace("/", "-")  # an import may spell rule/target-id
    known = target["rule"]
    rules = [known] if known else [each["Name"] for each in target.send("list_rules")["Rules"]]
    for rule in rules:
        for found in target.send("list_targets_by_rule", Rule=rule)["Targets"]:
            if f"{rule}-{found['Id']}" == target.id:
                return {"Rule": rule, "EventBusName": "default", "TargetId": found["Id"], **found}
    return None


def _delete_target(target: Resource) -> None:
    target.send("remove_targets", Rule=target["rule"], EventBusName=target["eventBusName"], Ids=[target["targetId"]])


def _target_is_valid(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    if not str(inputs.get("arn", "arn:aws:")).startswith("arn:aws"):
        yield "arn", f"{inputs['arn']!r} is not an ARN"


TARGET = ResourceType(
    token="aws:cloudwatch/eventTarget:EventTarget",
    service="events",
    shape="Target",
    properties="""rule=Rule:string! targetId=TargetId:string! arn! eventBusName=EventBusName:string input
                  inputTransformer{inputPaths=InputPathsMap inputTemplate!} deadLetterConfig{arn}
                  forceDestroy:boolean""",
    auto_name=AutoName("targetId", 255),
    defaults={"eventBusName": "default", "forceDestroy": False},
    replace_on=frozenset({"rule", "targetId", "eventBusName"}),
    exclusive=(("input", "inputTransformer"),),
    checks=(matches("targetId", NAME, NAMED), _target_is_valid),
    create=_put_target,
    read=_read_target,
    update=(("arn input inputTransformer deadLetterConfig", _put_target),),
    delete=_delete_target,
)

TYPES = (RULE, TARGET)
