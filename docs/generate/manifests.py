"""The JSON schema of a model set's manifest, from the dataclasses that read and write it."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from dr.data.model_sets import VERSION, Manifest

PATTERNS = {
    "sha256": "^[0-9a-f]{64}$",
    "digest": "^[0-9a-f]{64}$",
    "checksum": "^$|^[A-Za-z0-9+/]{43}=-[0-9]+$",
    "image": "^$|^sha256:[0-9a-f]{64}$",
}
"""Patterns of fields, by name."""


def schema() -> str:
    """Return the schema as JSON."""
    found = _object(Manifest)
    found["properties"]["version"] |= {"const": VERSION, "description": "Version of this format."}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest of a model set",
        "description": "Stored in the registry bucket of each region as sets/NAME/SET_ID/manifest.json.",
    }
    return json.dumps({**head, **found}, indent=2)


def _object(kind: type[Any]) -> dict[str, Any]:
    hints, texts = get_type_hints(kind), _descriptions(kind)
    properties = {}
    for field in fields(kind):
        pattern = {"pattern": PATTERNS[field.name]} if field.name in PATTERNS else {}
        description = {"description": texts[field.name]} if field.name in texts else {}
        properties[field.name] = {**_type(hints[field.name]), **pattern, **description}
    required = [field.name for field in fields(kind) if field.default is MISSING] + ["version"] * (kind is Manifest)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _type(hint: Any) -> dict[str, Any]:
    if is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType,) and type(None) in arguments:
        (other,) = (each for each in arguments if each is not type(None))
        return {"anyOf": [_type(other), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is Mapping:
        return {"type": "object"}
    simple: dict[Any, dict[str, Any]] = {str: {"type": "string"}, int: {"type": "integer", "minimum": 0}}
    return simple.get(hint, {})


def _descriptions(kind: type[Any]) -> dict[str, str]:
    """Return what the docstring says about each argument."""
    _, _, listed = inspect.cleandoc(kind.__doc__ or "").partition("Args:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}
