"""Requests for any AWS operation, made of botocore's service models: what is required is filled in."""

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
"""Values of members whose name ends so, where any string would not be understood."""


def arguments(shape: StructureShape | None) -> dict[str, Any]:
    """The smallest arguments that an operation's input shape allows."""
    if shape is None:
        return {}
    return {name: _value(shape.members[name], name) for name in shape.required_members}


def _value(shape: Shape, name: str) -> Any:
    if isinstance(shape, StructureShape):
        # One member of a union, all that is required of anything else.
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
