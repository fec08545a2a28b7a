"""Convert the results of `dr supply` to text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.layout import Paragraph, Rows
from dr.supply.check import RegionSupply, exit_code, reason
from dr.supply.items import Item
from dr.supply.lock import FILE, SYNC
from dr.supply.sync import Synced

SHORT = len("sha256:") + 12
STYLES = {"complete": "green", "lacking": "bold red", "unknown": "yellow"}


def list_text(found: Sequence[Item]) -> RenderableType:
    """Images and charts as text; the digests are shortened."""
    rows = [(each.kind, each.name.partition("@")[0], each.used_by, each.digest[:SHORT] or "-") for each in found]
    parts: list[RenderableType] = [Rows(rows, ("repository", "image or chart", "used by", "digest"))]
    if not all(each.digest for each in found):
        text = f"-> {SYNC} resolves the digests, and the images of charts that it has not read yet"
        parts += ["", Paragraph(text, "bold")]
    return Group(*parts)


def list_dict(found: Sequence[Item]) -> dict[str, Any]:
    """Images and charts as JSON values."""
    return {"items": [{**asdict(each), "tag": each.tag} for each in found]}


def check_text(found: Sequence[RegionSupply], prefix: str) -> RenderableType:
    """State of the registries as text: one line a region, then what is lacking."""
    rows, listed = [], []
    for each in found:
        state = _state(each)
        lacks = f"{len(each.lacks)} lacking" if each.lacks else ""
        fact = each.unknown or (f"{each.absent} does not exist" if each.absent else lacks)
        rows.append((Text(state, style=STYLES[state]), f"{each.role} ({each.region})", f"{each.held} held", fact))
        listed += [Paragraph(f"{each.region}: {reason(item, lack, prefix)}") for item, lack in each.lacks]
    advice: list[RenderableType] = []
    if any(each.absent for each in found):
        advice = [Paragraph(f"-> `pulumi up -s primary` creates the repositories; then {SYNC}", "bold")]
    elif listed:
        advice = [Paragraph(f"-> {SYNC}", "bold")]
    return Group(Rows(rows, ("registry", "region", "content", "")), *[""][: len(listed)], *listed, *advice)


def check_dict(found: Sequence[RegionSupply]) -> dict[str, Any]:
    """State of the registries as JSON values."""
    return {
        "regions": [
            {
                "role": str(each.role),
                "region": each.region,
                "state": _state(each),
                "held": each.held,
                "lacks": [{**asdict(item), "reason": str(lack)} for item, lack in each.lacks],
                "unknown": each.unknown or None,
                "absent": each.absent or None,
            }
            for each in found
        ],
        "exit_code": int(exit_code(found)),
    }


def sync_text(found: Synced) -> RenderableType:
    """What was copied, as text."""
    rows = [(each.region, each.name.partition("@")[0], each.digest[:SHORT], each.source) for each in found.copied]
    parts: list[RenderableType] = [Rows(rows, ("copied to", "image or chart", "digest", "from")), ""] if rows else []
    parts.append(Text(f"{len(found.copied)} copied, {found.present} were there before."))
    if found.resolved:
        parts.append(Paragraph(f"-> commit {FILE}: it now has the digests of {len(found.resolved)} more", "bold"))
    for problem in found.problems:
        parts += [Paragraph(f"{problem.subject}: {problem.fact}", "red"), Paragraph(f"-> {problem.remedy}", indent=4)]
    return Group(*parts)


def sync_dict(found: Synced) -> dict[str, Any]:
    """What was copied, as JSON values."""
    return {**asdict(found), "exit_code": int(found.exit_code)}


def _state(found: RegionSupply) -> str:
    if found.unknown:
        return "unknown"
    return "lacking" if found.lacks or found.absent else "complete"
