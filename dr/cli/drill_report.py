"""Text and JSON of drills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Group

from dr.cli.layout import Paragraph, Rows
from dr.drills.catalog import Drill
from dr.drills.document import DrillDocument
from dr.drills.evidence import Evidence
from dr.topology.tiers import describe_duration

if TYPE_CHECKING:
    from rich.console import RenderableType


def list_dict(drills: Iterable[Drill]) -> list[dict[str, Any]]:
    """Return the drills as JSON values."""
    return [asdict(each) for each in drills]


def list_text(drills: Iterable[Drill]) -> RenderableType:
    """Return the drills for people."""
    return Rows([(each.name, each.title) for each in drills], ("drill", "rehearses"))


def result_text(found: Evidence) -> RenderableType:
    """Return the result of a drill for people: the verdict, its conditions, the phases, and what was lost."""
    result = found.document
    shown: list[RenderableType] = [
        Paragraph(f"{result.drill}: {result.verdict}, in tier {result.tier}.{_objectives(result)}"),
        "",
        Rows(
            [(each.verdict.value, each.name, each.measured, each.objective) for each in result.judgements],
            ("", "condition", "measured", "objective"),
        ),
    ]
    if phases := [(name, f"{seconds:.0f} s") for name, seconds in result.phases.items() if seconds]:
        clock = "modelled" if "phases" in result.modelled else "measured"
        shown += ["", Rows(phases, ("phase", clock))]
    if result.lost_writes:
        lost = (f"- {each.name}, {each.age_seconds:.1f} s before the fault" for each in result.lost_writes)
        shown += ["", Paragraph("Lost writes:"), *map(Paragraph, lost)]
    if result.problems:
        shown += ["", *map(Paragraph, result.problems)]
    shown.append("")
    if sent := result.requests.sent:
        text = f"{sent} requests: {result.requests.failed} failed, {result.requests.wrong} wrong."
        shown.append(Paragraph(text))
    return Group(*shown, Paragraph(f"Report: {found.page}"))


def _objectives(result: DrillDocument) -> str:
    if result.objectives is None:
        return ""
    rto = describe_duration(timedelta(seconds=result.objectives.rto_seconds))
    rpo = describe_duration(timedelta(seconds=result.objectives.rpo_seconds))
    return f" Objectives: RTO {rto}, RPO {rpo}."
