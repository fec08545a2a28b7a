"""Secrets with their replicas, and versions of their values.

After internal/service/secretsmanager/{secret,secret_version}.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

NAME = r"[A-Za-z0-9/_+=.@-]{1,512}"


def _replicas(secret: Resource, source: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"Region": each["region"], **({"KmsKeyId": each["kmsKeyId"]} if each.get("kmsKeyId") else {})}
        for each in source.get("replicas", ())
    ]


def _create(secret: Resource) -> None:
    arguments = secret.arguments("create_secret")
    if replicas := _replicas(secret, secret.wanted):
        arguments["AddReplicaRegions"] = replicas
    secret.id = secret.send("create_secret", **arguments)["ARN"]


def _read(secret: Resource) -> dict[str, Any] | None:
    found = secret.send("describe_secret", SecretId=secret.id)
    if found.get("DeletedDate"):
        return None
    return {**found, "AddReplicaRegions": found.get("ReplicationStatus", [])}


def _replicate(secret: Resource) -> None:
    """Remove the replicas that are not wanted as they are, and add the others."""
    old, new = _replicas(secret, secret.state), _replicas(secret, secret.wanted)
    if removed := [each["Region"] for each in old if each not in new]:
        secret.send("remove_regions_from_replication", SecretId=secret.id, RemoveReplicaRegions=removed)
    if added := [each for each in new if each not in old]:
        secret.send("replicate_secret_to_regions", SecretId=secret.id, AddReplicaRegions=added)


def _update(secret: Resource) -> None:
    given = {"Description": secret.wanted.get("description", "")}
    if key := secret.wanted.get("kmsKeyId"):
        given["KmsKeyId"] = key
    secret.send("update_secret", SecretId=secret.id, **given)


def _delete(secret: Resource) -> None:
    if regions := [each["Region"] for each in _replicas(secret, secret.state)]:
        secret.send("remove_regions_from_replication", SecretId=secret.id, RemoveReplicaRegions=regions)
    days = int(secret.state.get("recoveryWindowInDays", 30))
    how: dict[str, Any] = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    secret.send("delete_secret", SecretId=secret.id, **how)


SECRET = ResourceType(
    token="aws:secretsmanager/secret:Secret",
    service="secretsmanager",
    shape="CreateSecretRequest",
    properties="""name description kmsKeyId recoveryWindowInDays:integer forceOverwriteReplicaSecret:boolean
                  replicas=AddReplicaRegions:set{region! kmsKeyId}""",
    outputs="arn=ARN:string",
    identity="{ARN}",
    auto_name=AutoName("name", 255),
    defaults={"recoveryWindowInDays": 30, "forceOverwriteReplicaSecret": False},
    computed=frozenset({"replicas", "replicas[].kmsKeyId"}),
    replace_on=frozenset({"name"}),
    checks=(matches("name", NAME, "1 to 512 letters, digits and / _ + = . @ -"),),
    create=_create,
    read=_read,
    update=(("replicas", _replicate), ("description kmsKeyId", _update)),
    delete=_delete,
    tags=tagged("SecretId", operations=("describe_secret", "tag_resource", "untag_resource")),
    retries=("scheduled for deletion", "was deleted"),
)


def _put_value(version: Resource) -> None:
    secret = version.wanted["secretId"]
    made = version.send("put_secret_value", SecretId=secret, SecretString=version.wanted["secretString"])
    version.id = f"{secret}|{made['VersionId']}"


def _read_value(version: Resource) -> dict[str, Any] | None:
    secret, _, number = version.id.rpartition("|")
    try:
        found = version.send("get_secret_value", SecretId=secret, VersionId=number)
    except Refused as error:
        if "marked for deletion" in error.message:
            return None
        raise
    return {**found, "SecretId": secret}


def _drop_value(version: Resource) -> None:
    """Leave the value: the label AWSCURRENT cannot be removed, and goes with the secret."""


VERSION = ResourceType(
    token="aws:secretsmanager/secretVersion:SecretVersion",
    service="secretsmanager",
    shape="PutSecretValueRequest",
    properties="secretId! secretString",
    outputs="arn=ARN:string versionId=VersionId:string",
    identity="{SecretId}",
    replace_on=frozenset({"secretId", "secretString"}),
    create=_put_value,
    read=_read_value,
    delete=_drop_value,
)

TYPES = (SECRET, VERSION)
