"""What differs between two objects, path by path, and which of it forces a replacement."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from sandbox.kubernetes.kinds import IDENTITY, REPLACED_ON
from sandbox.kubernetes.settings import Settings

Path = tuple[str | int, ...]
MISSING = object()


class Change(Enum):
    """What happens to a property."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


def differences(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, Change]]:
    """Every path at which `new` says something else than `old`, as deep as both have it."""
    if old is MISSING:
        yield path, Change.ADD
    elif new is MISSING:
        yield path, Change.DELETE
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            yield from differences(old.get(name, MISSING), new.get(name, MISSING), (*path, name))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            ours = old[index] if index < len(old) else MISSING
            theirs = new[index] if index < len(new) else MISSING
            yield from differences(ours, theirs, (*path, index))
    elif old != new:
        yield path, Change.UPDATE


def drifted(asked: Any, live: Any, applied: Any) -> Any:
    """What was asked for, except where the live object says otherwise and applying it again would change that.

    The live object alone does not tell: the server writes "1000m" as "1", and defaults what is not asked for.

    Args:
        asked: The inputs, or a part of them.
        live: The same part of the live object.
        applied: The same part of what the server would make of it, were the inputs applied now.
    """
    if live is MISSING or live == applied:
        # Gone, and it would not come back: the server leaves out what says nothing (`false`, an empty list).
        return asked if live == applied else MISSING
    if isinstance(asked, Mapping) and isinstance(live, Mapping) and isinstance(applied, Mapping):
        parts = {
            name: drifted(value, live.get(name, MISSING), applied.get(name, MISSING)) for name, value in asked.items()
        }
        return {name: value for name, value in parts.items() if value is not MISSING}
    same_length = isinstance(asked, list) and isinstance(live, list) and isinstance(applied, list)
    if same_length and len(asked) == len(live) == len(applied):
        return [drifted(*parts) for parts in zip(asked, live, applied, strict=True)]
    return live


def at(value: Any, path: Path) -> Any:
    """The value at a path, or MISSING."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else MISSING
        else:
            return MISSING
    return value


def shown(path: Path) -> str:
    """A path as the engine writes it: `spec.containers[0].image`, `metadata.labels["a/b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w$]+", step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text


def ignored(path: Path, patterns: Iterable[str]) -> bool:
    """Whether a path is in one of those that a program tells the engine to ignore."""
    text = shown(path)
    return any(text == pattern or text.startswith((f"{pattern}.", f"{pattern}[")) for pattern in patterns)


def replaces(api_version: str, kind: str, path: Path, inputs: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a change at this path cannot be made in place.

    Args:
        api_version: Of the kind.
        kind: The kind.
        path: What differs.
        inputs: What is wanted now.
        settings: The provider's.
    """
    steps = [step for step in path if not isinstance(step, int)]
    rules = [rule.split(".") for rule in (*IDENTITY, *_rules(api_version, kind, inputs, settings))]
    # A change of the whole counts where it has the part: the engine asks about wholes that are not known yet.
    return any(steps[: len(rule)] == rule or (rule[: len(steps)] == steps and _has(inputs, rule)) for rule in rules)


def _has(value: Any, steps: list[str]) -> bool:
    """Whether there is something at a path, in any element of the lists on the way."""
    if isinstance(value, list):
        return any(_has(item, steps) for item in value)
    if not steps:
        return True
    return isinstance(value, Mapping) and steps[0] in value and _has(value[steps[0]], steps[1:])


def _rules(api_version: str, kind: str, inputs: Mapping[str, Any], settings: Settings) -> tuple[str, ...]:
    name = f"{api_version}/{kind}"
    mutable = {"v1/ConfigMap": settings.config_maps_mutable, "v1/Secret": settings.secrets_mutable}.get(name)
    if mutable and not inputs.get("immutable"):
        return ("type",) if kind == "Secret" else ()
    return REPLACED_ON.get(name, ())
