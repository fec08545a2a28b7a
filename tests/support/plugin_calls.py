"""API operations of the real AWS plugin, from `plugin_calls.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_suffix(".yaml")
PHASES = ("create", "read", "update", "delete")


@dataclass(frozen=True)
class Calls:
    """The operations of one resource type.

    Args:
        phases: "service:Operation" by phase, including tag operations.
        files: The source file of each operation.
        unread: Operations with a call that was not found in the source.
    """

    phases: Mapping[str, tuple[str, ...]]
    files: Mapping[str, str]
    unread: frozenset[str]

    @property
    def operations(self) -> frozenset[str]:
        """All operations of all phases."""
        return frozenset(operation for phase in self.phases.values() for operation in phase)


@cache
def calls() -> Mapping[str, Calls]:
    """Return calls by Pulumi type; "provider" has those of the provider itself."""
    table = yaml.safe_load(TABLE.read_text())
    entries = {"provider": table["provider"], **table["types"]}
    return {name: _calls(entry, table["tags"].get(entry.get("tags"), {})) for name, entry in entries.items()}


def distinct(*, unread: bool = False) -> list[str]:
    """Return every operation once, sorted; with `unread`, only those not found in the source."""
    return sorted({name for each in calls().values() for name in (each.unread if unread else each.operations)})


def gaps() -> Mapping[str, str]:
    """Return the operations that the emulator does not support, with the reason."""
    return dict(yaml.safe_load(TABLE.read_text())["gaps"])


def _calls(entry: Mapping[str, Any], tags: Mapping[str, Any]) -> Calls:
    phases = {phase: (*entry.get(phase, ()), *tags.get(phase, ())) for phase in PHASES}
    files = {operation: entry["file"] for phase in PHASES for operation in entry.get(phase, ())}
    files |= {operation: tags["file"] for phase in PHASES for operation in tags.get(phase, ())}
    files |= {operation: file for file, operations in entry.get("elsewhere", {}).items() for operation in operations}
    return Calls(phases, files, frozenset(entry.get("unread", ())))
