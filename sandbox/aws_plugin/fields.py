"""The properties of a resource type: a short notation, completed from botocore's model of the service.

A type lists its properties as words, nested ones in braces:

    rules{id! status filter{prefix tag{key value}}} role! policy:json fqdn=FullyQualifiedDomainName forceDestroy:boolean

- ``name``            the AWS shape's member of that name, whatever its case (``sseAlgorithm`` is ``SSEAlgorithm``)
- ``name=A.B``        another member; a dot goes into a structure, ``Rules.0`` into a list of one
- ``name:kind``       another kind than the shape's: ``json`` (a policy document), ``set`` (a list without order),
                      ``only`` (a list of one object, whose members AWS keeps in the shape around it), or,
                      where AWS has no such member, ``string``, ``integer``, ``boolean``, ``list`` …
- ``name!``           required

Kinds, allowed values, lengths and ranges come from botocore. A property with no member lives in the
plugin alone (``forceDestroy``): it is never sent and never read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

WORD = re.compile(r"(?P<name>\w+)(=(?P<member>[\w.]+))?(:(?P<kind>\w+))?(?P<required>!)?(?P<open>\{)?|(?P<close>\})")
KINDS = {
    "string": "string",
    "integer": "integer",
    "long": "integer",
    "float": "float",
    "double": "float",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "blob": "string",
    "list": "list",
    "map": "map",
    "structure": "object",
}


@dataclass(frozen=True)
class Field:
    """One property, or one element of a list (``name`` is then empty)."""

    name: str
    kind: str
    member: str = ""
    required: bool = False
    children: Mapping[str, Field] = field(default_factory=dict)
    item: Field | None = None
    pair: tuple[str, str] | None = None
    """How AWS spells a map that it wants as a list: ``("Key", "Value")``."""
    allowed: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass
class Word:
    """One word of the notation, before botocore's model completes it."""

    name: str
    member: str
    kind: str
    required: bool
    nested: list[Word]


def parse(notation: str) -> list[Word]:
    """Read the notation; a ValueError names what is not part of it."""
    if rest := WORD.sub("", notation).strip():
        raise ValueError(f"not a property: {rest!r}")
    return _words(WORD.finditer(notation))


def _words(matches: Iterator[re.Match[str]]) -> list[Word]:
    words: list[Word] = []
    for match in matches:
        if match["close"]:
            break
        word = Word(match["name"], match["member"] or "", match["kind"] or "", bool(match["required"]), [])
        if match["open"]:
            word.nested = _words(matches)
        words.append(word)
    return words


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service; cached, since reading one takes a tenth of a second."""
    return botocore.session.get_session().get_service_model(service)


@cache
def operation_members(service: str, method: str, body: str = "") -> frozenset[str]:
    """The members a boto3 method takes, or those of its member ``body``."""
    model = service_model(service)
    name = next(name for name in model.operation_names if botocore.xform_name(name) == method)
    shape = model.operation_model(name).input_shape
    return frozenset(shape.members[body].members if body else shape.members)


def build(notation: str, shape: Shape | None) -> dict[str, Field]:
    """Complete a notation from the AWS shape that holds the properties."""
    return {word.name: _field(word, shape) for word in parse(notation)}


def _field(word: Word, shape: Shape | None) -> Field:
    if word.kind == "only":
        one = Field("", "object", children={nested.name: _field(nested, shape) for nested in word.nested})
        return Field(word.name, "only", required=word.required, item=one, most=1)
    member = word.member or _same_name(word.name, shape)
    target = _at(shape, member) if member else None
    kind = word.kind or (KINDS[target.type_name] if target is not None else "")
    if not kind:
        raise ValueError(f"{word.name}: no such member of {shape and shape.name}, and no kind is given")
    pair = _pair(target) if kind == "list" and not word.nested else None
    if kind in ("list", "set") and not pair:
        item = _element(word, target)
        return Field(word.name, kind, member, word.required, item=item, **_limits(target))
    children = {nested.name: _field(nested, target) for nested in word.nested}
    return Field(word.name, "map" if pair else kind, member, word.required, children, pair=pair, **_limits(target))


def _element(word: Word, target: Shape | None) -> Field:
    shape = target.member if target is not None and target.type_name == "list" else None
    if word.nested:
        return Field("", "object", children={nested.name: _field(nested, shape) for nested in word.nested})
    return Field("", KINDS[shape.type_name] if shape is not None else "string", **_limits(shape))


def _pair(target: Shape | None) -> tuple[str, str] | None:
    members = list(getattr(getattr(target, "member", None), "members", ()))
    return (members[0], members[1]) if len(members) == 2 and members[1].endswith("Value") else None


def _limits(target: Shape | None) -> dict[str, Any]:
    if target is None:
        return {}
    return {
        "allowed": tuple(getattr(target, "enum", None) or ()),
        "least": target.metadata.get("min"),
        "most": target.metadata.get("max"),
    }


def _same_name(name: str, shape: Shape | None) -> str:
    members = getattr(shape, "members", {})
    return next((member for member in members if member.lower() == name.lower()), "")


def _at(shape: Shape | None, path: str) -> Shape | None:
    for step in path.split("."):
        shape = getattr(shape, "member", None) if step == "0" else getattr(shape, "members", {}).get(step)
    return shape
