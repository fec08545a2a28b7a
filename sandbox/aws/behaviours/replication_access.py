"""What a replication role may do, and whether it may use a KMS key with the encryption context that S3 sends.

S3 sends the object's ARN as the context `aws:s3:arn`, and with a bucket key the bucket's (S3 user guide, "Reducing the
cost of SSE-KMS with Amazon S3 Bucket Keys"). Only inline policies are read, and of their conditions only this one. A
role that does not exist, or has no statement about KMS, is not checked.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.iam.models import iam_backends

from sandbox.aws.account import ACCOUNT, PARTITION

CONTEXT = "kms:EncryptionContext:aws:s3:arn"


def may_use(role_arn: str, action: str, key: str, context: str) -> bool:
    """Whether a role may call a KMS operation on a key, with a bucket's or an object's ARN as its context."""
    statements = [each for each in _statements(role_arn) if any("kms:" in name for name in _list(each["Action"]))]
    return not statements or any(_allows(each, action, key, context) for each in statements)


def may(role_arn: str, action: str, resource: str) -> bool:
    """Whether an inline policy of a role allows an action on a resource; denials and conditions are not read."""
    return any(
        each["Effect"] == "Allow"
        and any(fnmatch.fnmatchcase(action, name) for name in _list(each["Action"]))
        and any(fnmatch.fnmatchcase(resource, name) for name in _list(each["Resource"]))
        for each in _statements(role_arn)
    )


def _statements(role_arn: str) -> Iterator[dict[str, Any]]:
    roles = iam_backends[ACCOUNT][PARTITION].roles.values()
    for role in roles:
        if role.arn == role_arn:
            for text in role.policies.values():
                yield from _list((json.loads(text) if isinstance(text, str) else text)["Statement"])


def _allows(statement: Mapping[str, Any], action: str, key: str, context: str) -> bool:
    if statement["Effect"] != "Allow" or not any(
        fnmatch.fnmatchcase(action, each) for each in _list(statement["Action"])
    ):
        return False
    if not any(fnmatch.fnmatchcase(key, each) for each in _list(statement["Resource"])):
        return False
    conditions = statement.get("Condition", {})
    equal, like = (_list(conditions.get(operator, {}).get(CONTEXT, [])) for operator in ("StringEquals", "StringLike"))
    if equal and context not in equal:
        return False
    return not like or any(fnmatch.fnmatchcase(context, each) for each in like)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
