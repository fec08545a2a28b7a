"""Log groups.

After internal/service/logs/group.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType

DAYS = (
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Retention periods of CloudWatch Logs in days; 0 keeps events for ever."""


def _create_group(group: Resource) -> None:
    Call("create_log_group")(group)
    group.id = group.wanted["name"]
    if group.wanted["retentionInDays"]:
        _retain(group)


def _retain(group: Resource) -> None:
    if days := group.wanted["retentionInDays"]:
        group.send("put_retention_policy", logGroupName=group.id, retentionInDays=days)
    else:
        group.send("delete_retention_policy", logGroupName=group.id)


def _encrypt(group: Resource) -> None:
    if key := group.wanted.get("kmsKeyId"):
        group.send("associate_kms_key", logGroupName=group.id, kmsKeyId=key)
    else:
        group.send("disassociate_kms_key", logGroupName=group.id)


def _read_group(group: Resource) -> dict[str, Any] | None:
    found = group.send("describe_log_groups", logGroupNamePrefix=group.id)["logGroups"]
    one = next((each for each in found if each["logGroupName"] == group.id), None)
    return {"retentionInDays": 0, **one, "groupArn": one["arn"].removesuffix(":*")} if one else None


def _delete_group(group: Resource) -> None:
    if not group.state.get("skipDestroy"):
        group.send("delete_log_group", logGroupName=group.id)


def _days(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    if (days := inputs.get("retentionInDays", 0)) not in DAYS:
        yield "retentionInDays", f"{days} is none of {', '.join(map(str, DAYS))}"


LOG_GROUP = ResourceType(
    token="aws:cloudwatch/logGroup:LogGroup",
    service="logs",
    shape="CreateLogGroupRequest",
    properties="name=logGroupName! kmsKeyId retentionInDays=retentionInDays:integer skipDestroy:boolean",
    outputs="arn=groupArn:string",
    identity="{logGroupName}",
    auto_name=AutoName("name", 255),
    defaults={"retentionInDays": 0, "skipDestroy": False},
    replace_on=frozenset({"name"}),
    checks=(matches("name", r"[0-9A-Za-z_./#-]{1,512}", "1 to 512 letters, digits and _ . / # -"), _days),
    create=_create_group,
    read=_read_group,
    update=(("retentionInDays", _retain), ("kmsKeyId", _encrypt)),
    delete=_delete_group,
    tags=tagged("resourceArn", "arn", names="tagKeys", tags="tags", pair=None),
)

TYPES = (LOG_GROUP,)
