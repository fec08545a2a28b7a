"""What a rule of an S3 replication configuration selects, and where it copies to. Pure."""

from __future__ import annotations

from typing import Any

BUCKET_ARN = "arn:aws:s3:::"


def destination_of(rule: dict[str, Any]) -> str:
    """Name of the destination bucket."""
    return str(rule["Destination"]["Bucket"]).removeprefix(BUCKET_ARN)


def selects_kms(rule: dict[str, Any]) -> bool:
    return _status(rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects"))


def selects_replica_changes(rule: dict[str, Any]) -> bool:
    return _status(rule.get("SourceSelectionCriteria", {}).get("ReplicaModifications"))


def copies_delete_markers(rule: dict[str, Any]) -> bool:
    """Whether delete markers are copied; a rule without Filter (version 1) always copies them."""
    return _status(rule.get("DeleteMarkerReplication")) if "Filter" in rule else True


def tags_of(rule: dict[str, Any]) -> dict[str, str]:
    """Tags that an object must have."""
    chosen = rule.get("Filter", {})
    tags = [*chosen.get("And", {}).get("Tags", []), *([chosen["Tag"]] if "Tag" in chosen else [])]
    return {tag["Key"]: tag["Value"] for tag in tags}


def prefix_of(rule: dict[str, Any]) -> str:
    """Prefix of the keys; a rule without Filter (version 1) has it at the top."""
    chosen = rule.get("Filter", {})
    return chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or rule.get("Prefix") or ""


def _status(element: dict[str, str] | None) -> bool:
    return element is not None and element["Status"] == "Enabled"
