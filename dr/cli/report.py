"""Convert results to text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from dr.cli.findings_layout import ADVISED, FINDINGS, STYLES, objective_text
from dr.cli.layout import INDENT, Paragraph, Rows
from dr.control.contract import BackupRecord, Half
from dr.errors import DrError
from dr.operations.adopt import Found
from dr.operations.preflight import PreflightReport
from dr.operations.rollout import RegionRollout, exit_code
from dr.operations.steps import Report


def preflight_text(report: PreflightReport) -> RenderableType:
    """A preflight as text; each finding with its fix."""
    rows, fixes = [], list[RenderableType]()
    for each in report.findings:
        rows.append((Text(each.status, style=STYLES[each.status]), each.name, each.measured))
        if each.hint and each.status in ADVISED:
            fixes += [Paragraph(f"{each.name}:"), Paragraph(f"-> {each.hint}", "bold", INDENT)]
    return Group(Rows(rows, FINDINGS), *[""][: len(fixes)], *fixes)


def preflight_dict(report: PreflightReport) -> dict[str, Any]:
    """A preflight as JSON values."""
    return {
        "stack": report.stack,
        "region": report.region,
        "findings": [asdict(finding) for finding in report.findings],
        "exit_code": int(report.exit_code),
    }


def contract_text(halves: list[Half], source: str) -> RenderableType:
    """The contract as text."""
    parts: list[RenderableType] = [Text(f"read from {source}", style="dim")]
    for half in halves:
        dns = half.dns
        rows: list[tuple[str | Text, str]] = [
            (Text(str(half.role), style="bold"), half.region),
            ("stack", half.stack),
            *([("tier", objective_text(half.tier))] if half.tier else []),
            ("public name", f"{dns.public_name} -> {dns.endpoint}, weight {dns.weight}"),
            ("regional name", dns.regional_name),
            ("health check", f"{dns.check_id}: the endpoint check and the lever check"),
            ("endpoint check", dns.endpoint_check_id),
            ("lever check", f"{dns.lever_check_id} ({dns.lever}, alarm {dns.lever_alarm})"),
            *((pair, f"{sides.primary} <-> {sides.recovery}") for pair, sides in half.buckets.items()),
            *((f"backups of {data}", backups_text(each)) for data, each in half.backups.items()),
        ]
        parts += ["", Rows(rows)]
    return Group(*parts)


def backups_text(backups: BackupRecord) -> str:
    """How a class of data is backed up, as text."""
    archive = f", the first of a month {backups.archive_days} days" if backups.archive_days else ""
    return (
        f"every {backups.every_hours} h, kept {backups.retention_days} days{archive}; newest copy at most "
        f"{backups.rpo_hours:g} h old"
    )


ROLLOUT_STYLES = {
    **{"complete": "green", "progressing": "yellow", "unknown": "yellow"},
    **{"stuck": "bold red", "missing": "bold red", "no cluster": "dim"},
}


def rollouts_text(found: Sequence[RegionRollout]) -> RenderableType:
    """Rollouts as text: one line a region, then the problems."""
    rows = []
    for each in found:
        replicas = str(each.rollout.counts if each.problems else each.rollout.progress) if each.rollout else ""
        rows.append((Text(each.state, style=ROLLOUT_STYLES[each.state]), f"{each.role} ({each.region})", replicas))
    listed = [
        part
        for each in found
        for problem in each.problems
        for part in (
            Paragraph(f"{each.region}: {problem.subject}: {problem.fact}"),
            Paragraph(f"-> {problem.remedy}", indent=INDENT),
        )
    ]
    return Group(Rows(rows, ("rollout", "region", "replicas")), *[""][: len(listed)], *listed)


def rollouts_dict(found: Sequence[RegionRollout]) -> dict[str, Any]:
    """Rollouts as JSON values."""
    return {
        "rollouts": [
            {
                "role": str(each.role),
                "region": each.region,
                "state": each.state,
                "replicas": asdict(each.rollout.counts) if each.rollout else None,
                "problems": [asdict(problem) for problem in each.problems],
            }
            for each in found
        ],
        "exit_code": int(exit_code(found)),
    }


def adopted_text(stack: str, found: Sequence[Found], written: bool) -> RenderableType:
    """Results for pending operations as text."""
    if not found:
        return Text(f"Stack {stack} has no pending operations.")
    rows = [(each.pending.doing, each.pending.name, each.outcome) for each in found]
    done = f"The state of stack {stack} is updated."
    ahead = f"`pulumi up -s {stack}`" if written else f"`dr adopt -s {stack} --yes` writes this into the state"
    advice = Paragraph(f"-> {ahead}", "bold")
    return Group(Rows(rows, ("operation", "resource", "result")), "", *([done] if written else []), advice)


def adopted_list(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Results for pending operations as JSON values."""
    return [
        {
            "urn": each.pending.urn,
            "operation": each.pending.doing,
            "region": each.pending.region,
            "id": each.id,
            "outcome": each.outcome,
        }
        for each in found
    ]


def error_dict(error: DrError) -> dict[str, Any]:
    """An error as JSON values."""
    return {
        "error": error.kind,
        "problems": [asdict(problem) for problem in error.problems],
        "exit_code": int(error.exit_code),
    }


@contextmanager
def progress(shown: bool) -> Iterator[Report]:
    """Show a live line on standard error if that is a terminal."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda text, share: None
        return
    with console.status("") as status:
        yield lambda text, share: status.update(text)
