"""Keys and their aliases.

After internal/service/kms/{key,alias}.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType


def _create_key(key: Resource) -> None:
    Call("create_key", identifier="KeyMetadata.KeyId")(key)
    if key.wanted["enableKeyRotation"]:
        _rotate(key)
    if not key.wanted["isEnabled"]:
        _enable(key)


def _read_key(key: Resource) -> dict[str, Any] | None:
    metadata = key.send("describe_key", KeyId=key.id)["KeyMetadata"]
    if metadata["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    policy = key.send("get_key_policy", KeyId=key.id, PolicyName="default")["Policy"]
    rotation = key.send("get_key_rotation_status", KeyId=key.id)
    return {**metadata, "Policy": policy, **rotation}


def _enable(key: Resource) -> None:
    key.send("enable_key" if key.wanted["isEnabled"] else "disable_key", KeyId=key.id)


def _enable_first(key: Resource) -> None:
    if key.wanted["isEnabled"]:
        _enable(key)


def _disable_last(key: Resource) -> None:
    if not key.wanted["isEnabled"]:
        _enable(key)


def _rotate(key: Resource) -> None:
    if key.wanted["enableKeyRotation"]:
        key.send("enable_key_rotation", **key.arguments("enable_key_rotation"))
    else:
        key.send("disable_key_rotation", KeyId=key.id)


def _describe(key: Resource) -> None:
    key.send("update_key_description", KeyId=key.id, Description=key.wanted.get("description", ""))


def _schedule_deletion(key: Resource) -> None:
    window = key.state.get("deletionWindowInDays")
    try:
        key.send("schedule_key_deletion", KeyId=key.id, **({"PendingWindowInDays": window} if window else {}))
    except Refused as error:
        if "is pending deletion" not in error.message:
            raise


def _rotation_period(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    if "rotationPeriodInDays" in inputs and inputs.get("enableKeyRotation") is False:
        yield "rotationPeriodInDays", "without enableKeyRotation: switch rotation on, or leave the period out"


KEY = ResourceType(
    token="aws:kms/key:Key",
    service="kms",
    shape="CreateKeyRequest",
    properties="""description policy:json keyUsage customerMasterKeySpec multiRegion
                  isEnabled=Enabled:boolean enableKeyRotation=KeyRotationEnabled:boolean
                  rotationPeriodInDays=RotationPeriodInDays:integer deletionWindowInDays:integer""",
    outputs="arn=Arn:string keyId=KeyId:string",
    identity="{KeyId}",
    defaults={
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    },
    computed=frozenset({"description", "policy", "multiRegion", "rotationPeriodInDays"}),
    replace_on=frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"}),
    checks=(between("deletionWindowInDays", 7, 30), between("rotationPeriodInDays", 90, 2560), _rotation_period),
    create=_create_key,
    read=_read_key,
    update=(
        ("isEnabled", _enable_first),
        ("enableKeyRotation rotationPeriodInDays", _rotate),
        ("description", _describe),
        ("policy", Call("put_key_policy", fixed={"PolicyName": "default"})),
        ("isEnabled", _disable_last),
    ),
    delete=_schedule_deletion,
    tags=tagged(
        "KeyId", operations=("list_resource_tags", "tag_resource", "untag_resource"), pair=("TagKey", "TagValue")
    ),
    retries=("MalformedPolicyDocumentException",),
)


def _read_alias(alias: Resource) -> dict[str, Any] | None:
    marker: dict[str, Any] = {}
    while True:
        page = alias.send("list_aliases", **marker)
        for found in page["Aliases"]:
            if found["AliasName"] == alias.id:
                key_arn = found["AliasArn"].replace(f":{alias.id}", f":key/{found['TargetKeyId']}")
                return {**found, "TargetKeyArn": key_arn}
        if not page.get("Truncated"):
            return None
        marker = {"Marker": page["NextMarker"]}


def _same_key(one: str, other: str) -> bool:
    return one.rpartition("/")[2] == other.rpartition("/")[2]


ALIAS = ResourceType(
    token="aws:kms/alias:Alias",
    service="kms",
    shape="CreateAliasRequest",
    properties="name=AliasName! targetKeyId!",
    outputs="arn=AliasArn:string targetKeyArn=TargetKeyArn:string",
    identity="{AliasName}",
    auto_name=AutoName("name", 238, prefix="alias/"),
    replace_on=frozenset({"name"}),
    renewed=frozenset({"targetKeyArn"}),
    equal={"targetKeyId": _same_key},
    checks=(matches("name", r"alias/(?!aws)[a-zA-Z0-9/_-]+", "alias/ and then letters, digits, / _ -; not alias/aws"),),
    create=Call("create_alias"),
    read=_read_alias,
    update=(("targetKeyId", Call("update_alias")),),
    delete=Call("delete_alias"),
    retries=("NotFoundException",),
)

TYPES = (KEY, ALIAS)
