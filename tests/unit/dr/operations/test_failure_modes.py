"""The document of failure modes names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]


SHOWN = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")


def named(rows: list[str]) -> list[list[str]]:
    """Return the tests that each row of a table names in its last cell."""
    return [re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1]) for row in rows]


def missing(names: list[list[str]]) -> set[str]:
    """Return the named tests that do not exist."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = {name for source in sources for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}
    return {name for row in names for name in row} - defined


def test_each_failure_mode_is_shown_by_tests_that_exist() -> None:
    modes = named([line for line in SHOWN.splitlines() if line.startswith("| **")])

    assert len(modes) == 16
    assert all(modes)
    assert missing(modes) == set()


def test_each_fault_of_data_is_shown_by_tests_that_exist() -> None:
    _, _, table = SHOWN.partition("| fault | what happens | shown by |\n|---|---|---|\n")
    faults = named([line for line in table.splitlines() if line.startswith("|")])

    assert len(faults) == 12
    assert all(faults)
    assert missing(faults) == set()
