"""Custom resource definitions: minimal ones of this project, and published ones.

This project's definitions have the published required fields, patterns and enumerations of the fields that its objects
use. They preserve all other fields without validation.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "crds"
Object = dict[str, Any]
ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
"""Schema that accepts and preserves any field."""


def expand(brief: Object) -> Object:
    """Return the complete definition for a brief one.

    Args:
        brief: Group, version, kind and schema of `spec`; optional: `scope` (default: Namespaced), an irregular
            `plural`, and `status: plain` for a status that is not a subresource.
    """
    kind, group = brief["kind"], brief["group"]
    plural = brief.get("plural", f"{kind.lower()}s")
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": brief["spec"], "status": {"type": "object", **ANYTHING}},
    }
    version = {
        "name": brief["version"],
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {} if brief.get("status") == "plain" else {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": brief.get("scope", "Namespaced"),
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


def read_briefs(file: Path) -> tuple[Object, ...]:
    """Return the complete definitions for a file of brief ones."""
    return tuple(expand(each) for each in yaml.safe_load(file.read_text("utf-8"))["definitions"])


def own_definitions(chart: str) -> tuple[Object, ...]:
    """Return this project's definitions for a chart; none if the chart has published definitions or needs none."""
    file = FOLDER / f"{chart}.yaml"
    return read_briefs(file) if file.exists() else ()


def pick(documents: str, *names: str) -> str:
    """Return the documents of a YAML stream with objects of these names, in the stream's order.

    The YAML is not parsed, because published streams have almost a megabyte.

    Raises:
        KeyError: A name is not in the stream.
    """
    found = {}
    for document in re.split(r"^---[^\n]*\n", documents, flags=re.MULTILINE):
        name = re.search(r"^  name: (\S+)$", document, re.MULTILINE)
        if name and name[1] in names:
            found[name[1]] = document
    if missing := sorted(set(names) - found.keys()):
        raise KeyError(", ".join(missing))
    return "---\n".join(found.values())
