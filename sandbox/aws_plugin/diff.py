"""Differences between the state of a resource and its inputs, property by property."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from sandbox.aws_plugin.fields import Field
from sandbox.aws_plugin.model import ResourceType
from sandbox.aws_plugin.plugin import UNKNOWN
from sandbox.aws_plugin.values import blank, same_document


class Change(Enum):
    """What happens to a property."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


def differences(
    kind: ResourceType, state: Mapping[str, Any], wanted: Mapping[str, Any], ignored: Iterable[str] = ()
) -> dict[str, Change]:
    """Every property path at which `wanted` and `state` differ."""
    found: dict[str, Change] = {}
    for name, field in kind.fields.items():
        if name in wanted or name not in kind.computed:
            found.update(_walk(kind, field, name, state.get(name), wanted.get(name)))
    return {path: change for path, change in found.items() if not any(_within(path, root) for root in ignored)}


def top_level(paths: Iterable[str]) -> set[str]:
    """The top-level properties of some paths."""
    return {re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths}


def replaces(kind: ResourceType, path: str, change: Change = Change.UPDATE) -> bool:
    """Whether a change at this path cannot be made in place."""
    path = any_element(path)
    if change is Change.DELETE and path in kind.replace_on_removal:
        return True
    return any(_within(path, root) or _within(root, path) for root in kind.replace_on | {"region"})


def deletes_first(kind: ResourceType, state: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a replacement is created after the deletion: the program sets a name that stays the same.

    As in the real plugin (nameRequiresDeleteBeforeReplace in pulumi-terraform-bridge, pkg/tfbridge/provider.go).
    """
    name = kind.auto_name.property if kind.auto_name else ""
    fixed = bool(name) and name not in wanted.get("__defaults", ())
    return fixed and wanted.get(name) == state.get(name)


def any_element(path: str) -> str:
    """`rules[3].id` as `rules[].id`."""
    return re.sub(r"\[\d+\]", "[]", path)


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith((f"{root}.", f"{root}["))


def _walk(kind: ResourceType, field: Field, path: str, old: Any, new: Any) -> Iterator[tuple[str, Change]]:
    if new == UNKNOWN:
        yield path, Change.ADD if old is None else Change.UPDATE
    elif (blank(old) and blank(new)) or _same(kind, field, path, old, new):
        return
    elif old is None:
        yield path, Change.ADD
    elif new is None:
        yield path, Change.DELETE
    elif field.kind == "object":
        for name, child in field.children.items():
            inner = f"{path}.{name}"
            if name in new or any_element(inner) not in kind.computed:
                yield from _walk(kind, child, inner, old.get(name), new.get(name))
    elif field.kind == "map":
        for name in sorted(old.keys() | new.keys()):
            inner = f"{path}.{name}" if re.fullmatch(r"\w+", name) else f"{path}[{json.dumps(name)}]"
            yield from _walk(kind, Field(name, "string"), inner, old.get(name), new.get(name))
    elif field.kind in ("list", "only") and field.item:
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _walk(kind, field.item, f"{path}[{index}]", before, after)
    else:
        yield path, Change.UPDATE


def _same(kind: ResourceType, field: Field, path: str, old: Any, new: Any) -> bool:
    if old is None or new is None:
        return False
    if equal := kind.equal.get(any_element(path)):
        return equal(old, new)
    if field.kind == "json":
        return same_document(old, new)
    if field.kind == "set" and field.item:
        left = list(old)
        for item in new:
            match = next((one for one in left if not any(_walk(kind, field.item, f"{path}[]", one, item))), None)
            if match is None:
                return False
            left.remove(match)
        return not left
    return bool(old == new)
