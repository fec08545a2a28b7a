"""Rules on IAM documents."""

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
"""A wildcard at the end, behind the full name of one thing: objects of a bucket, streams of a log group."""


def allowing(policy: Resource) -> Iterator[dict[str, Any]]:
    """Statements that allow; none of a document that is not known yet."""
    document = policy.look("policy")
    if document is UNKNOWN or document is None:
        return
    parsed = json.loads(document) if isinstance(document, str) else document
    yield from (each for each in listed(look(parsed, "Statement")) if each.get("Effect") == "Allow")


def names_each(key: str, accepted: re.Pattern[str] | None = None) -> Callable[[Resource], Facts]:
    """A check that Action or Resource has no wildcard in a statement that allows."""

    def check(policy: Resource) -> Facts:
        for statement in allowing(policy):
            where = f"statement {statement['Sid']}" if "Sid" in statement else "a statement"
            if f"Not{key}" in statement:
                yield f"{where} allows by Not{key}"
            for value in listed(statement.get(key)):
                if "*" in str(value) and not (accepted and accepted.fullmatch(str(value))):
                    yield f'{where} has {key} "{value}"'

    return check


RULES = (
    Rule(
        name="iam-policy-no-wildcard-action",
        says="An IAM policy must name each action it allows.",
        why="a wildcard allows what nobody has thought of, and what AWS adds later",
        remedy="name the actions, or record the exception with its reason in policies/rules/exceptions.py",
        types=POLICIES,
        check=names_each("Action"),
    ),
    Rule(
        name="iam-policy-no-wildcard-resource",
        says="An IAM policy must name what it allows actions on; what is inside one named thing may be a wildcard.",
        why="a role that is taken over then reaches no more than its own data",
        remedy="name the ARNs, or record the exception with its reason in policies/rules/exceptions.py",
        types=POLICIES,
        check=names_each("Resource", INSIDE_ONE_THING),
    ),
)
