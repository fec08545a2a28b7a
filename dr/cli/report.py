"""Convert results to text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from dr.cli.layout import INDENT, Paragraph, Rows
from dr.control.contract import Half
from dr.errors import DrError
from dr.findings import Finding, Status
from dr.operations.adopt import Found
from dr.operations.preflight import PreflightReport
from dr.operations.rollout import RegionRollout, exit_code
from dr.operations.status import StatusReport
from dr.operations.steps import Report
from dr.topology.tiers import Tier, describe_duration

STYLES = {Status.MET: "green", Status.MISSED: "bold red", Status.UNKNOWN: "yellow", Status.INFO: "dim"}

FINDINGS = ("status", "subject", "finding")
ADVISED = (Status.MISSED, Status.UNKNOWN)
"""Findings with a hint that is shown; each distinct hint is shown once."""


def objective_text(tier: Tier) -> str:
    """A tier with its objectives."""
    spec = tier.spec
    return f"{tier} (objectives: RTO {describe_duration(spec.rto)}, RPO {describe_duration(spec.rpo)})"


def status_text(report: StatusReport) -> RenderableType:
    """A status as text."""
    incident = report.day.incident
    head = (
        ("primary", report.primary),
        ("recovery", report.recovery),
        ("tier", objective_text(report.tier) if report.tier else "the dr stack is not deployed"),
        ("incident", f"{incident.id} since {incident.opened}" if incident else "none"),
        ("read from", report.read_from),
    )
    return Group(Rows(head), "", *_findings(report.findings))


def _findings(findings: Sequence[Finding]) -> list[RenderableType]:
    """Findings as a table, then each distinct hint of what is missed or unknown."""
    rows = [
        (Text(finding.status, style=STYLES[finding.status]), finding.name, finding.measured) for finding in findings
    ]
    hints = dict.fromkeys(finding.hint for finding in findings if finding.hint and finding.status in ADVISED)
    advice = [Paragraph(f"-> {hint}", "bold") for hint in hints]
    return [Rows(rows, FINDINGS), *[""][: len(advice)], *advice]


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


def status_dict(report: StatusReport) -> dict[str, Any]:
    """A status as JSON values; objectives are in seconds, and are not measurements."""
    spec = report.tier.spec if report.tier else None
    return {
        "primary": report.primary,
        "recovery": report.recovery,
        "tier": report.tier.value if report.tier else None,
        "objectives": {"rto_seconds": spec.rto.total_seconds(), "rpo_seconds": spec.rpo.total_seconds()}
        if spec
        else None,
        "read_from": report.read_from,
        "day": json.loads(report.day.to_json()),
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
        ]
        parts += ["", Rows(rows)]
    return Group(*parts)


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
