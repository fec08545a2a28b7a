"""What the real AWS plugin calls, as `plugin_calls.yaml` lists it from the plugin's source."""

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
    """The operations of one type.

    Args:
        phases: "service:Operation" by phase, those of tags included.
        files: The source file of each operation.
        unread: Operations whose call was not read in the source.
    """

    phases: Mapping[str, tuple[str, ...]]
    files: Mapping[str, str]
    unread: frozenset[str]

    @property
    def operations(self) -> frozenset[str]:
        """All operations, of any phase."""
        return frozenset(operation for phase in self.phases.values() for operation in phase)


@cache
def calls() -> Mapping[str, Calls]:
    """Calls by Pulumi type; those of the provider itself under "provider"."""
    table = yaml.safe_load(TABLE.read_text())
    entries = {"provider": table["provider"], **table["types"]}
    return {name: _calls(entry, table["tags"].get(entry.get("tags"), {})) for name, entry in entries.items()}


def distinct(*, unread: bool = False) -> list[str]:
    """Every operation of the table once, sorted; with `unread`, those whose call was not read."""
    return sorted({name for each in calls().values() for name in (each.unread if unread else each.operations)})


def gaps() -> Mapping[str, str]:
    """Operations that the emulator does not answer, with the reason."""
    return dict(yaml.safe_load(TABLE.read_text())["gaps"])


def _calls(entry: Mapping[str, Any], tags: Mapping[str, Any]) -> Calls:
    phases = {phase: (*entry.get(phase, ()), *tags.get(phase, ())) for phase in PHASES}
    files = {operation: entry["file"] for phase in PHASES for operation in entry.get(phase, ())}
    files |= {operation: tags["file"] for phase in PHASES for operation in tags.get(phase, ())}
    files |= {operation: file for file, operations in entry.get("elsewhere", {}).items() for operation in operations}
    return Calls(phases, files, frozenset(entry.get("unread", ())))
