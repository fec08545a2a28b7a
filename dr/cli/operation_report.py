"""Text and JSON of operations: plans, runs and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Group

from dr.cli.layout import Paragraph, Rows
from dr.control.journal import Entry
from dr.errors import Refused
from dr.operations.operation import Plan
from dr.operations.step_runner import Outcome
from dr.topology.tiers import describe_duration

if TYPE_CHECKING:
    from rich.console import RenderableType

LISTS = ("steps", "expected")
"""Facts of a journal that the text leaves out: they have a value for each step."""


def plan_text(plan: Plan) -> RenderableType:
    """Return a plan for people: guards, steps with expected durations, the critical path, and what would be lost."""
    verb = "Resume" if plan.resumes else "Plan of"
    guards = Rows([(each.status.value, each.name, each.measured) for each in plan.findings], ("", "guard", "measured"))
    steps = Rows(
        [
            (
                "*" if each.step.name in plan.chain else "",
                each.step.name,
                each.verdict.state.value,
                f"{describe_duration(each.expected.p50)}{'' if each.expected.measured else ' (modelled)'}",
                each.verdict.detail,
            )
            for each in plan.steps
        ],
        ("", "step", "state", "expected", "now"),
    )
    lost: list[RenderableType] = [Paragraph(f"- {each}", indent=2) for each in plan.loses or ("nothing by name",)]
    judged: list[RenderableType] = [guards, ""] if plan.findings else []
    total = describe_duration(plan.duration)
    return Group(
        Paragraph(f"{verb} {plan.operation} {plan.run} in {plan.region}; nothing has been changed."),
        "",
        *judged,
        steps,
        "",
        Paragraph(f"* Critical path: {' > '.join(plan.chain)}, about {total}."),
        Paragraph("Data that would be lost:"),
        *lost,
    )


def plan_dict(plan: Plan, refusal: Refused | None = None) -> dict[str, Any]:
    """Return a plan as JSON values; `steps` has the keys of a run's steps.

    Args:
        plan: The plan.
        refusal: Why it cannot be executed; None if it can.
    """
    return {
        "operation": plan.operation,
        "run": plan.run,
        "resumes": plan.resumes,
        "region": plan.region,
        "guards": [
            {"name": each.name, "status": each.status.value, "measured": each.measured, "fix": each.hint}
            for each in plan.findings
        ],
        "steps": [
            {
                "name": each.step.name,
                "title": each.step.title,
                "phase": each.step.phase.value,
                "after": list(each.step.after or ()),
                "started": None,
                "ended": None,
                "outcome": each.verdict.state.value,
                "expected": each.expected.to_dict(),
                "evidence": each.verdict.detail,
                "loses": list(each.verdict.loses),
            }
            for each in plan.steps
        ],
        "critical_path": list(plan.chain),
        "expected_seconds": plan.duration.total_seconds(),
        "loses": list(plan.loses),
        "problems": [asdict(problem) for problem in refusal.problems] if refusal else [],
    }


def run_dict(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return a finished run as JSON values."""
    expected = {each.step.name: each.expected for each in plan.steps}
    return {
        "operation": plan.operation,
        "run": plan.run,
        "region": plan.region,
        "steps": [
            {
                "name": each.step,
                "title": each.title,
                "started": each.started.isoformat(timespec="milliseconds"),
                "ended": (each.started + each.duration).isoformat(timespec="milliseconds"),
                "outcome": each.word,
                "expected": expected[each.step].to_dict(),
                "evidence": each.detail,
            }
            for each in outcomes
        ],
    }


def run_text(plan: Plan, outcomes: Sequence[Outcome]) -> RenderableType:
    """Return a finished run for people."""
    started = min(each.started for each in outcomes)
    ended = max(each.started + each.duration for each in outcomes)
    took = describe_duration(timedelta(seconds=round((ended - started).total_seconds())))
    return Group(
        Rows(
            [(each.step, each.word, f"{each.duration.total_seconds():.1f} s", each.detail) for each in outcomes],
            ("step", "outcome", "took", "evidence"),
        ),
        "",
        Paragraph(f"{plan.operation} {plan.run} is done, after {took}. `dr journal {plan.run}` has every event."),
    )


def entry_dict(entry: Entry) -> dict[str, Any]:
    """Return a journal's entry as JSON values."""
    return {
        "at": entry.at.isoformat(timespec="milliseconds"),
        "run": entry.run,
        "event": entry.event,
        "step": entry.step,
        "data": dict(entry.data),
    }


def journal_text(entries: Sequence[Entry]) -> RenderableType:
    """Return the entries of a run for people."""
    return Rows(
        [
            (
                f"{entry.at:%H:%M:%S}",
                entry.event,
                entry.step,
                "; ".join(f"{name} {value}" for name, value in entry.data.items() if name not in LISTS),
            )
            for entry in entries
        ],
        ("UTC", "event", "step", "facts"),
    )
