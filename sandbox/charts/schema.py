"""JSON schemas of chart values, from lists of the keys that published charts document.

`values/<chart>.yaml` has the source and the chart version of the keys. Below `values`, each key has the name of a type
or a mapping of nested keys. A mapping rejects keys that it does not list, unless it has a key `"*"`:

- `"*": unread`: the list is incomplete, and other keys are accepted;
- `"*": boolean` (or another type): the user chooses the keys.

The type `object` is a mapping that the chart passes on unchanged. Every value may be null: Helm then uses the default.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "values"
TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})
REST = "*"
UNREAD = "unread"


@cache
def published_values(chart: str) -> dict[str, Any]:
    """Return the content of a chart's `values/<chart>.yaml`: `source`, `version` and `values`."""
    return dict(yaml.safe_load((FOLDER / f"{chart}.yaml").read_text("utf-8")))


def values_schema(chart: str) -> dict[str, Any]:
    """Return the JSON schema of a chart's values.

    Raises:
        ValueError: A type in the chart's list of keys is not valid.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Values of {chart}",
        # Helm passes global values to every chart.
        **_keys({"global": "object", **published_values(chart)["values"]}),
        "type": "object",
    }


def schema_file(chart: str) -> bytes:
    """Return the values.schema.json of a chart, which makes Helm reject unknown values."""
    return json.dumps(values_schema(chart), indent=1).encode()


def _keys(keys: dict[str, Any]) -> dict[str, Any]:
    rest = keys.get(REST)
    return {
        "type": ["object", "null"],
        "properties": {key: _value(value) for key, value in keys.items() if key != REST},
        "additionalProperties": False if rest is None else rest == UNREAD or _value(rest),
    }


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return _keys(value)
    if value == "any":
        return {}
    if value not in TYPES:
        raise ValueError(f"{value!r} is not a type of a value")
    return {"type": [value, "null"]}
