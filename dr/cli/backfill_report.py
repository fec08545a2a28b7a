"""Convert the results of `dr backfill` to text and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.layout import INDENT, Paragraph, Rows
from dr.data.backfill import PENDING, Backfill, Filled
from dr.topology.cost import total
from dr.topology.prices import PRICES


def backfill_text(found: Backfill) -> RenderableType:
    """A plan, or what the jobs did, as text."""
    rows: list[list[str | Text]] = [
        [each.gap.pair, f"{each.gap.to_copy:,}", f"{each.gap.bytes:,}", _cost(each), _state(each)]
        for each in found.pairs
    ]
    parts: list[RenderableType] = [
        Paragraph(f"Object versions that {found.region} lacks", "bold"),
        Rows(rows, ("pair", "objects", "bytes", "cost", "state")),
    ]
    for each in found.pairs:
        for problem in each.problems:
            parts += [
                Paragraph(f"{problem.subject}: {problem.fact}", "red"),
                Paragraph(f"-> {problem.remedy}", "", INDENT),
            ]
    items = {line.item for each in found.pairs for line in each.gap.cost}
    parts += [
        Paragraph(f"{name}: ${PRICES[name].usd:g} a {PRICES[name].unit} ({PRICES[name].source})", "dim")
        for name in sorted(items)
    ]
    parts += ["", Paragraph(_advice(found), "bold")]
    return Group(*parts)


def _cost(each: Filled) -> str:
    usd = total(each.gap.cost)
    return "unknown" if usd is None else f"${usd:,.2f}"


def _state(each: Filled) -> str:
    if each.job:
        left = f", {each.left.to_copy:,} still missing" if each.left and each.left.to_copy else ""
        return f"{each.job.status}: {each.job.succeeded:,} copied, {each.job.failed:,} failed{left}"
    notes = [f"job {each.running} runs"] if each.running else []
    notes += [f"{each.gap.objects[PENDING]:,} are being replicated"] if each.gap.objects[PENDING] else []
    notes += [f"{each.gap.archived:,} in an archive, which S3 does not replicate"] if each.gap.archived else []
    return "; ".join(notes) or ("missing" if each.gap.to_copy else "complete")


def _advice(found: Backfill) -> str:
    if found.executed:
        failed = any(each.problems for each in found.pairs)
        return "-> fix what is reported, and repeat the command" if failed else "Nothing is left to copy."
    if not found.to_do:
        return "Nothing is missing."
    return "-> --yes runs the jobs, or follows those that run"


def backfill_dict(found: Backfill) -> dict[str, Any]:
    """A plan, or what the jobs did, as JSON values."""
    return {
        "region": found.region,
        "executed": found.executed,
        "pairs": [
            {
                "pair": each.gap.pair,
                "source": each.gap.wanted.bucket,
                "target": each.gap.wanted.target,
                "objects": each.gap.to_copy,
                "bytes": each.gap.bytes,
                "by_status": dict(each.gap.objects),
                "archived": each.gap.archived,
                "cost_usd": total(each.gap.cost),
                "running": each.running or None,
                "job": asdict(each.job) if each.job else None,
                "left": each.left.to_copy if each.left else None,
                "problems": [asdict(problem) for problem in each.problems],
            }
            for each in found.pairs
        ],
        "exit_code": int(found.exit_code),
    }
