"""Requests for any AWS operation with its required arguments, built from botocore's service models."""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:role/example"

BY_NAME = {
    "Arn": ARN,
    "Bucket": "example",
    "CallerReference": "example",
    "CidrBlock": "10.0.0.0/16",
    "PolicyDocument": "{}",
    "Policy": "{}",
}
"""Values of members by suffix of their name, where an arbitrary string would be invalid."""


def arguments(shape: StructureShape | None) -> dict[str, Any]:
    """Return the minimal arguments that an operation's input shape allows."""
    if shape is None:
        return {}
    return {name: _value(shape.members[name], name) for name in shape.required_members}


def _value(shape: Shape, name: str) -> Any:
    if isinstance(shape, StructureShape):
        # One member of a union, the required members of any other structure.
        if getattr(shape, "is_tagged_union", False):
            first = next(iter(shape.members))
            return {first: _value(shape.members[first], first)}
        return arguments(shape)
    if isinstance(shape, ListShape):
        return [_value(shape.member, name.removesuffix("s"))]
    if isinstance(shape, MapShape):
        return {}
    if isinstance(shape, StringShape):
        return _text(shape, name)
    plain: dict[str, Any] = {"boolean": False, "timestamp": "2030-01-01T00:00:00Z", "blob": b"{}"}
    return plain.get(shape.type_name, max(1, int(shape.metadata.get("min", 1))))


def _text(shape: StringShape, name: str) -> str:
    if shape.enum:
        return str(shape.enum[0])
    for end, value in BY_NAME.items():
        if name.lower().endswith(end.lower()):
            return value
    return "example".ljust(shape.metadata.get("min", 0), "0")
