"""The catalog of drills, and its document."""

from __future__ import annotations

from pathlib import Path

from dr.drills.catalog import DRILLS

DOCUMENT = Path(__file__).parents[4] / "docs" / "how-to" / "drill.md"


def test_document_lists_every_drill_with_its_title() -> None:
    rows = [line.split(" | ") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]

    assert {row[0].strip("| `"): row[1].strip(" |") for row in rows} == {
        name: each.title for name, each in DRILLS.items()
    }
