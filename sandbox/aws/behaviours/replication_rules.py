"""What a rule of an S3 replication configuration selects, and where it copies to. Pure."""

from __future__ import annotations

from typing import Any

BUCKET_ARN = "arn:aws:s3:::"


def destination_of(rule: dict[str, Any]) -> str:
    """The name of the bucket a rule copies to."""
    return str(rule["Destination"]["Bucket"]).removeprefix(BUCKET_ARN)


def selects_kms(rule: dict[str, Any]) -> bool:
    return _status(rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects"))


def selects_replica_changes(rule: dict[str, Any]) -> bool:
    return _status(rule.get("SourceSelectionCriteria", {}).get("ReplicaModifications"))


def copies_delete_markers(rule: dict[str, Any]) -> bool:
    """A rule of the old form, without Filter, always does."""
    return _status(rule.get("DeleteMarkerReplication")) if "Filter" in rule else True


def tags_of(rule: dict[str, Any]) -> dict[str, str]:
    """The tags a rule asks for."""
    asked = rule.get("Filter", {})
    tags = [*asked.get("And", {}).get("Tags", []), *([asked["Tag"]] if "Tag" in asked else [])]
    return {tag["Key"]: tag["Value"] for tag in tags}


def prefix_of(rule: dict[str, Any]) -> str:
    """The prefix a rule asks for; rules of the old form have it beside Filter's place."""
    asked = rule.get("Filter", {})
    return asked.get("Prefix") or asked.get("And", {}).get("Prefix") or rule.get("Prefix") or ""


def _status(element: dict[str, str] | None) -> bool:
    return element is not None and element["Status"] == "Enabled"
