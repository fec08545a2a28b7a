"""Schemas of charts' values: the keys that published charts document, as data of our own.

`values/<chart>.yaml` says where the keys were read, and of which version. Under `values` a key has a type's name, or
the keys below it. A mapping of keys is complete, so that any other key is refused; with a key `"*"` it is open:

- `"*": unread`: the chart has more keys there than could be read;
- `"*": boolean` (or another type): keys are names of the user's choice.

`object` is a mapping that the chart passes on as it is. Every value may be null, which to Helm means "the default".
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
    """What is written down of a chart's values: `source`, `version` and `values`."""
    return dict(yaml.safe_load((FOLDER / f"{chart}.yaml").read_text("utf-8")))


def values_schema(chart: str) -> dict[str, Any]:
    """The JSON schema of a chart's values.

    Raises:
        ValueError: the data names a type that does not exist.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Values of {chart}",
        # Helm gives it to every chart.
        **_keys({"global": "object", **published_values(chart)["values"]}),
        "type": "object",
    }


def schema_file(chart: str) -> bytes:
    """The values.schema.json of a chart, with which Helm refuses unknown values."""
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
