"""Conversion of values between Pulumi's names and AWS's, and equality of values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.aws_plugin.fields import Field


def to_api(field: Field, value: Any) -> Any:
    """A Pulumi value in the form of boto3's arguments."""
    if field.kind == "object":
        return members(field.children, value)
    if field.item:
        return [to_api(field.item, item) for item in value]
    if field.pair:
        key, content = field.pair
        return [{key: name, content: value[name]} for name in sorted(value)]
    return value


def members(fields: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """AWS's members of Pulumi's properties; properties that AWS does not have are left out.

    The members of an `only` list sit beside it, not in it.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        field = fields.get(name)
        if field and field.kind == "only" and field.item and value:
            result |= members(field.item.children, value[0])
        elif field and field.member:
            _put(result, field.member, to_api(field, value))
    return result


def from_api(field: Field, value: Any) -> Any:
    """A value of boto3's answer as a Pulumi value."""
    if field.kind == "object":
        return properties(field.children, value)
    if field.item:
        return [from_api(field.item, item) for item in value]
    if field.pair:
        key, content = field.pair
        return {item[key]: item[content] for item in value}
    if field.kind == "json":
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def properties(fields: Mapping[str, Field], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Pulumi's properties of AWS's members; absent members are left out."""
    result: dict[str, Any] = {}
    for name, field in fields.items():
        if field.kind == "only" and field.item:
            if inner := properties(field.item.children, answer):
                result[name] = [inner]
        elif field.member and (value := at(answer, field.member)) is not None:
            result[name] = from_api(field, value)
    return result


def _put(target: dict[str, Any], path: str, value: Any) -> None:
    head, _, rest = path.partition(".")
    if rest and rest != "0":
        _put(target.setdefault(head, {}), rest, value)
    else:
        target[head] = [value] if rest else value


def at(source: Any, path: str) -> Any:
    """The value at a path such as `Vpc.VpcId` or `Rules.0.Id`; None where a part is absent."""
    for step in path.split("."):
        if not source:
            return None
        source = source[0] if step == "0" else source.get(step)
    return source


def blank(value: Any) -> bool:
    """Whether a value is equivalent to its absence: null, empty, false, zero, or an object of such."""
    if isinstance(value, Mapping):
        return all(blank(item) for item in value.values())
    return not value


def same_document(one: Any, other: Any) -> bool:
    """Whether two policy documents are equivalent: order, formatting and one-element lists do not count."""
    try:
        return bool(_canonical(json.loads(one)) == _canonical(json.loads(other)))
    except (TypeError, ValueError):
        return bool(one == other)


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _canonical(item) for name, item in value.items() if item not in (None, "", {}, [])}
    if isinstance(value, list):
        items = sorted((_canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return str(value).lower() if isinstance(value, bool) else value
