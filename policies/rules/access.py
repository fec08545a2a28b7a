"""Rules on IAM policy documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from .model import UNKNOWN, Facts, Resource, Rule, look
from .storage import listed

POLICIES = tuple(
    f"aws:iam/{module}:{module[0].upper()}{module[1:]}"
    for module in ("policy", "rolePolicy", "userPolicy", "groupPolicy")
)

INSIDE_ONE_THING = re.compile(r"arn:aws[a-z-]*:(s3:::[^*/]+/[^*]*|logs:[^*]*:log-group:[^*:]+:)\*")
"""A wildcard at the end of one resource's full name: objects of a bucket, streams of a log group."""


def allowing(policy: Resource) -> Iterator[dict[str, Any]]:
    """Yield the Allow statements; none while the document is unknown."""
    document = policy.look("policy")
    if document is UNKNOWN or document is None:
        return
    parsed = json.loads(document) if isinstance(document, str) else document
    yield from (each for each in listed(look(parsed, "Statement")) if each.get("Effect") == "Allow")


def names_each(key: str, accepted: re.Pattern[str] | None = None) -> Callable[[Resource], Facts]:
    """Return a check that Action or Resource has no wildcard in an Allow statement."""

    def check(policy: Resource) -> Facts:
        for statement in allowing(policy):
            label = f"statement {statement['Sid']}" if "Sid" in statement else "an unnamed statement"
            if f"Not{key}" in statement:
                yield f"{label} allows with Not{key}"
            for value in listed(statement.get(key)):
                if "*" in str(value) and not (accepted and accepted.fullmatch(str(value))):
                    yield f'{label} has {key} "{value}"'

    return check


RULES = (
    Rule(
        name="iam-policy-no-wildcard-action",
        requirement="An IAM policy must name each action that it allows.",
        reason="a wildcard also allows actions that are not needed, and those that AWS adds later",
        remedy="name the actions, or record an exception with its reason in policies/rules/exceptions.py",
        types=POLICIES,
        check=names_each("Action"),
    ),
    Rule(
        name="iam-policy-no-wildcard-resource",
        requirement="An IAM policy must name the resources it allows actions on; a wildcard may follow one full name.",
        reason="a compromised role then reaches only its own data",
        remedy="name the ARNs, or record an exception with its reason in policies/rules/exceptions.py",
        types=POLICIES,
        check=names_each("Resource", INSIDE_ONE_THING),
    ),
)
