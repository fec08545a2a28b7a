"""KMS keys: look-up by id, ARN or alias, and whether a key can be used."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from moto.kms.models import Key, kms_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError


def find_key(key: str, region: str) -> Key:
    """Find a key of a region by id, ARN, alias or ARN of an alias. Raises AwsError."""
    if key.startswith("arn:") and key.split(":")[3] != region:
        raise AwsError("NotFoundException", f"Invalid arn {key.split(':')[3]}")
    backend = kms_backends[ACCOUNT][region]
    name = backend.get_alias_name(key)
    found = backend.get_key_id_from_alias(name) if name.startswith("alias/") else backend.get_key_id(key)
    if found in backend.keys:
        return backend.keys[found]
    kind, path = ("Alias", "") if "alias/" in key else ("Key", "key/")
    arn = key if key.startswith("arn:") else f"arn:aws:kms:{region}:{ACCOUNT}:{path}{key}"
    raise AwsError("NotFoundException", f"{kind} '{arn}' does not exist")


def unusable(key: str, region: str) -> AwsError | None:
    """KMS's error for a key that cannot encrypt or decrypt in a region; None for a usable key."""
    try:
        found = find_key(key, region)
    except AwsError as error:
        return error
    if found.key_state == "Enabled":
        return None
    return pending_deletion(found) or AwsError("DisabledException", f"{found.arn} is disabled.")


def lost(key: str, region: str) -> AwsError | None:
    """Like `unusable`, for a key that was used before; AWS keeps its own keys, which the sandbox may not have made."""
    return None if ":alias/aws/" in key else unusable(key, region)


def denied(key: str, region: str, action: str) -> AwsError | None:
    """The error of a call that the key's own policy denies to everyone; None for any other key.

    An explicit deny ends the evaluation (IAM user guide, "Policy evaluation logic"). Its message has the form of
    "Access denied error message examples" there, and S3 passes it on. Statements for single principals or with
    conditions are not evaluated: the sandbox has one identity.
    """
    found = find_key(key, region)
    for each in _list(json.loads(found.policy or "{}").get("Statement", [])):
        everyone = each.get("Principal") in ("*", {"AWS": "*"}) and not each.get("Condition")
        named = any(fnmatch.fnmatchcase(action, pattern) for pattern in _list(each.get("Action", [])))
        if each.get("Effect") == "Deny" and everyone and named:
            caller = f"arn:aws:iam::{ACCOUNT}:root"
            text = f"User: {caller} is not authorized to perform: {action} on resource: {found.arn}"
            return AwsError("AccessDenied", f"{text} with an explicit deny in a resource-based policy", 403)
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def pending_deletion(key: Key) -> AwsError | None:
    """The error of a key that waits for its deletion; None for any other key."""
    if key.key_state != "PendingDeletion":
        return None
    return AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
