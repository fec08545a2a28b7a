"""Check: complete the inputs of a resource, and report every problem at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dr.spelling import nearest
from sandbox.aws_plugin.connections import Connections
from sandbox.aws_plugin.diff import any_element
from sandbox.aws_plugin.fields import Field
from sandbox.aws_plugin.model import AutoName, Problem, ResourceType
from sandbox.aws_plugin.plugin import UNKNOWN, known
from sandbox.aws_plugin.sdk import known_properties

TYPES = {"string": (str,), "integer": (int,), "float": (int, float), "boolean": (bool,), "map": (dict,)}
TYPES |= {
    "json": (str,),
    "timestamp": (str,),
    "list": (list,),
    "set": (list,),
    "only": (list,),
    "object": (dict,),
    "archive": (dict,),
}
ARTICLES = {"integer": "a whole number", "float": "a number", "json": "JSON text", "archive": "an archive"}
ARTICLES |= dict.fromkeys(("list", "set", "only"), "a list")


def check(
    kind: ResourceType,
    name: str,
    wanted: Mapping[str, Any],
    before: Mapping[str, Any],
    connections: Connections,
    seed: bytes = b"",
) -> tuple[dict[str, Any], list[Problem]]:
    """The inputs completed by defaults, and all problems.

    `before` are the inputs of the last deployment: its generated name is kept.
    """
    inputs = {key: value for key, value in wanted.items() if not key.startswith("__")}
    completed = set()
    for key, value in _defaults(kind, name, inputs, before, connections, seed):
        if key not in inputs and value is not None:
            inputs[key] = value
            completed.add(key)
    for path, value in kind.defaults.items():
        outer, _, inner = path.partition(".")
        if inner and isinstance(inputs.get(outer), dict):
            inputs[outer] = {inner: value, **inputs[outer]}
    problems = list(_problems(kind, "", (), kind.fields, inputs))
    problems += _combination_problems(kind, inputs)
    if not problems:
        certain = {key: value for key, value in inputs.items() if known(value)}
        problems = [problem for rule in kind.checks for problem in rule(certain, before)]
    if kind.tags and not problems:
        tags = inputs.get("tags", {})
        inputs["tagsAll"] = tags if tags == UNKNOWN else {**connections.default_tags, **tags}
    return inputs | {"__defaults": sorted(completed)}, problems


def _defaults(
    kind: ResourceType,
    name: str,
    inputs: Mapping[str, Any],
    before: Mapping[str, Any],
    connections: Connections,
    seed: bytes,
) -> Iterator[tuple[str, Any]]:
    yield from ((path, value) for path, value in kind.defaults.items() if "." not in path)
    if kind.regional:
        yield "region", connections.region
    if kind.auto_name and kind.auto_name.property not in inputs:
        named = kind.auto_name.property
        kept = before.get(named) if named in before.get("__defaults", ()) else None
        yield named, kept or generated_name(kind.auto_name, name, seed)


def generated_name(rule: AutoName, name: str, seed: bytes) -> str:
    """The logical name, a dash and seven hexadecimal digits, the same ones for the same seed."""
    digits = hashlib.sha256(seed or os.urandom(16)).hexdigest()[:7]
    full = f"{rule.prefix}{name}-{digits}" if rule.random else f"{rule.prefix}{name}"
    return full.lower() if rule.lower else full


def _problems(
    kind: ResourceType, path: str, steps: tuple[str, ...], fields: Mapping[str, Field], values: Mapping[str, Any]
) -> Iterator[Problem]:
    for name, value in values.items():
        inner = f"{path}.{name}" if path else name
        if name in fields:
            yield from _value_problems(kind, inner, (*steps, name), fields[name], value)
        else:
            yield inner, _unknown(kind, steps, name, fields)
    for name, field in fields.items():
        if field.required and values.get(name) is None:
            yield (f"{path}.{name}" if path else name), f"{name} is required and not set"


def _combination_problems(kind: ResourceType, inputs: Mapping[str, Any]) -> Iterator[Problem]:
    given = {name for name, value in inputs.items() if value not in (None, [])}
    for names in kind.exclusive:
        if len(both := [name for name in names if name in given]) > 1:
            yield both[1], f"{' and '.join(both)} exclude each other: set one of them"
    for name, choices in kind.needs.items():
        if (not name or name in given) and not given.intersection(choices):
            yield choices[0], f"{f'{name} needs ' if name else 'one of '}{' or '.join(choices)}; none is set"


def _unknown(kind: ResourceType, steps: tuple[str, ...], name: str, fields: Iterable[str]) -> str:
    if name in known_properties(kind.token, steps):
        return f"not carried by the sandbox: {kind.token}.{'.'.join((*steps, name))}"
    near = nearest(name, fields)
    return f"unknown property {name!r} of {kind.token}" + (f"; did you mean {near!r}?" if near else "")


def _value_problems(
    kind: ResourceType, path: str, steps: tuple[str, ...], field: Field, value: Any
) -> Iterator[Problem]:
    if value == UNKNOWN or value is None:
        return
    fits = isinstance(value, TYPES[field.kind]) and isinstance(value, bool) == (field.kind == "boolean")
    if not fits:
        yield path, f"expected {ARTICLES.get(field.kind, f'a {field.kind}')}, got {_shown(value)}"
    elif field.kind == "object":
        yield from _problems(kind, path, steps, field.children, value)
    elif field.item:
        yield from _limit_problems(path, field, len(value), "entries")
        for index, item in enumerate(value):
            yield from _value_problems(kind, f"{path}[{index}]", steps, field.item, item)
    elif field.kind == "map":
        yield from (
            (f"{path}.{name}", f"expected a string, got {_shown(item)}")
            for name, item in value.items()
            if not isinstance(item, str)
        )
    elif field.kind == "json":
        yield from _document_problems(path, value)
    elif allowed := kind.allowed.get(any_element(path), field.allowed):
        if value not in allowed:
            near = nearest(str(value), allowed)
            hint = f"; did you mean {near!r}?" if near else ""
            yield path, f"{_shown(value)} is none of {', '.join(allowed)}{hint}"
    elif field.kind == "string":
        yield from _limit_problems(path, field, len(value), "characters")
    elif field.kind in ("integer", "float"):
        yield from _limit_problems(path, field, value, "")


def _limit_problems(path: str, field: Field, amount: float, unit: str) -> Iterator[Problem]:
    counted = f"{amount} {unit}".strip()
    if field.least is not None and amount < field.least:
        yield path, f"{counted} is less than the {field.least} that AWS requires"
    if field.most is not None and amount > field.most:
        yield path, f"{counted} is more than the {field.most} that AWS allows"


def _document_problems(path: str, value: str) -> Iterator[Problem]:
    try:
        document = json.loads(value)
    except ValueError as error:
        yield path, f"not JSON: {error}"
        return
    if not isinstance(document, dict) or not value.startswith("{"):
        yield path, 'a policy is a JSON object and starts with "{"'


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# Rules that several services share -----------------------------------------------------------------------------


def between(name: str, least: int, most: int) -> Any:
    """A rule: a number is within limits that the plugin itself sets."""

    def rule(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
        if name in inputs and not least <= inputs[name] <= most:
            yield name, f"{inputs[name]} is not between {least} and {most}"

    return rule


def matches(name: str, pattern: str, meaning: str) -> Any:
    """A rule: a text matches a pattern."""

    def rule(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
        if name in inputs and not re.fullmatch(pattern, inputs[name]):
            yield name, f"{inputs[name]!r} is not {meaning}"

    return rule
