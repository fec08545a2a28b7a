"""Custom resource definitions: minimal ones of this project, and those of published files.

Ours have the required fields, patterns and enumerations of the published ones for what this program's objects use, and
keep everything else as it comes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "crds"
Object = dict[str, Any]
ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
"""Defaults of a definition."""


def expand(brief: Object) -> Object:
    """A complete definition of one in brief: group, version, kind, schema of `spec`; irregular scope and plural."""
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
        "subresources": {"status": {}},
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
    """The complete definitions of a file of briefs."""
    return tuple(expand(each) for each in yaml.safe_load(file.read_text("utf-8"))["definitions"])


def own_definitions(chart: str) -> tuple[Object, ...]:
    """This project's definitions of a chart; none where it has published ones or needs none."""
    file = FOLDER / f"{chart}.yaml"
    return read_briefs(file) if file.exists() else ()


def pick(documents: str, *names: str) -> str:
    """The documents of a YAML stream whose objects have these names, in the stream's order.

    The text is not parsed: published streams are close to a megabyte.

    Raises:
        KeyError: a name is not in the stream.
    """
    found = {}
    for document in re.split(r"^---[^\n]*\n", documents, flags=re.MULTILINE):
        name = re.search(r"^  name: (\S+)$", document, re.MULTILINE)
        if name and name[1] in names:
            found[name[1]] = document
    if missing := sorted(set(names) - found.keys()):
        raise KeyError(", ".join(missing))
    return "---\n".join(found.values())
