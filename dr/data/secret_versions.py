"""Versions of a secret in Secrets Manager, with their staging labels, and the state of its replica.

A version is never changed. Its labels say what it is: the current one, the one that a rotation makes the next, or the
former one. Values are not read.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dr.clients import calls, client
from dr.errors import Failed, Problem

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
FIRST = "dr-first"
"""Staging label of the version that Pulumi created. Secrets Manager deletes versions without a label (API reference,
DescribeSecret, `VersionIdsToStages`). A refresh would take that one for missing, and the next update would create
another password."""
IN_SYNC = "InSync"
SPACE = uuid.UUID("b0d0d3a1-6c1c-4d53-9c25-6a3f1f0a7f57")
"""Namespace of the IDs of new versions."""


def following_id(current: str) -> str:
    """Return the ID of the version that follows a version. Pure."""
    return str(uuid.uuid5(SPACE, current))


def versions_of(region: str, secret: str) -> list[dict[str, Any]]:
    """Return the versions of a secret that have labels, as Secrets Manager lists them.

    Raises:
        Missing: The region has no such secret.
        Unreachable: The region does not answer.
    """
    with calls(f"secret {secret}", region):
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        # botocore has no paginator for it.
        while True:
            page = client("secretsmanager", region).list_secret_version_ids(SecretId=secret, **token)
            found += [{"VersionStages": [], **each} for each in page["Versions"]]
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}


def current_of(versions: Sequence[Mapping[str, Any]], subject: str) -> tuple[str, datetime]:
    """Return the ID of the current version, and when it was created. Pure.

    Raises:
        Failed: The secret has no current version.
    """
    for each in versions:
        if CURRENT in each["VersionStages"]:
            return each["VersionId"], each["CreatedDate"]
    raise Failed(
        Problem(subject, "no version has the label AWSCURRENT", "`aws secretsmanager list-secret-version-ids`")
    )


def replication_of(described: Mapping[str, Any], region: str) -> str:
    """Return the replication status of a secret in a region; "" without a replica there. Pure."""
    for each in described.get("ReplicationStatus") or ():
        if each["Region"] == region:
            return str(each["Status"])
    return ""


def replication_status(region: str, secret: str, replica: str) -> str:
    """Return the replication status of a secret, as its primary region describes it; "" without a replica.

    Args:
        region: The secret's primary region.
        secret: Its name.
        replica: Region of the replica.

    Raises:
        Missing: The region has no such secret.
        Unreachable: The region does not answer.
    """
    with calls(f"secret {secret}", region):
        return replication_of(client("secretsmanager", region).describe_secret(SecretId=secret), replica)


def unfinished(versions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a rotation began and did not end: the pending version is not the current one. Pure."""
    return any(PENDING in each["VersionStages"] and CURRENT not in each["VersionStages"] for each in versions)
