"""From results to text and JSON. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dr.control.contract import Half
from dr.errors import DrError
from dr.operations.adopt import Found
from dr.operations.probes import Status
from dr.operations.rollout import RegionRollout, exit_code
from dr.operations.status import StatusReport
from dr.operations.steps import Report
from dr.topology.tiers import Tier, describe_duration

STYLES = {Status.MET: "green", Status.MISSED: "bold red", Status.UNKNOWN: "yellow", Status.INFO: "dim"}

WANTING = (Status.MISSED, Status.UNKNOWN)
"""What a person is advised about; each advice once, however many findings give it."""


def objective_text(tier: Tier) -> str:
    """A tier with what it promises."""
    spec = tier.spec
    return f"{tier} (objectives: RTO {describe_duration(spec.rto)}, RPO {describe_duration(spec.rpo)})"


def status_text(report: StatusReport) -> RenderableType:
    """A status for a person."""
    head = Table.grid(padding=(0, 2))
    head.add_row("primary", report.primary)
    head.add_row("recovery", report.recovery)
    head.add_row("tier", objective_text(report.tier) if report.tier else "the dr stack is not deployed")
    day = report.day
    head.add_row("incident", f"{day.incident.id} since {day.incident.opened}" if day.incident else "none")
    head.add_row("read from", report.read_from)
    table = Table("status", "what", "found", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for finding in report.findings:
        table.add_row(Text(finding.status, style=STYLES[finding.status]), finding.name, finding.measured)
    hints = dict.fromkeys(finding.hint for finding in report.findings if finding.hint and finding.status in WANTING)
    advice = [Text(f"-> {hint}", style="bold") for hint in hints]
    return Group(head, "", table, *([Text(), *advice] if advice else []))


def status_dict(report: StatusReport) -> dict[str, Any]:
    """A status as JSON values; the objectives are in seconds, and are objectives, not measurements."""
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
    """The contract for a person."""
    parts: list[RenderableType] = [Text(f"read from {source}", style="dim")]
    for half in halves:
        table = Table.grid(padding=(0, 2))
        table.add_row(Text(str(half.role), style="bold"), half.region)
        table.add_row("stack", half.stack)
        if half.tier:
            table.add_row("tier", objective_text(half.tier))
        table.add_row("public name", f"{half.dns.public_name} -> {half.dns.endpoint}, weight {half.dns.weight}")
        table.add_row("regional name", half.dns.regional_name)
        table.add_row("check", f"{half.dns.check_id} = endpoint {half.dns.endpoint_check_id}")
        table.add_row("", f"and lever {half.dns.lever} {half.dns.lever_check_id} (alarm {half.dns.lever_alarm})")
        for pair, sides in half.buckets.items():
            table.add_row(pair, f"{sides.primary} <-> {sides.recovery}")
        parts += ["", table]
    return Group(*parts)


ROLLOUT_STYLES = {
    **{"complete": "green", "progressing": "yellow", "unknown": "yellow"},
    **{"stuck": "bold red", "missing": "bold red", "no cluster": "dim"},
}


def rollouts_text(found: Sequence[RegionRollout]) -> RenderableType:
    """Rollouts for a person: one line a region, then what holds them up."""
    table = Table("rollout", "region", "found", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for each in found:
        found_text = str(each.rollout.counts if each.problems else each.rollout.progress) if each.rollout else ""
        table.add_row(Text(each.state, style=ROLLOUT_STYLES[each.state]), f"{each.role} ({each.region})", found_text)
    listed = [Text(f"{each.region}: {problem}") for each in found for problem in each.problems]
    return Group(table, *([Text(), *listed] if listed else []))


def rollouts_dict(found: Sequence[RegionRollout]) -> dict[str, Any]:
    """The same as JSON values."""
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
    """What became of what was begun, for a person."""
    if not found:
        return Text(f"Nothing is pending in stack {stack}.")
    table = Table("was", "resource", "what became of it", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for each in found:
        table.add_row(each.pending.doing, each.pending.name, each.says)
    done = f"Written into the state of stack {stack}."
    ahead = f"-> `pulumi up -s {stack}`" if written else f"-> `dr adopt -s {stack} --yes` writes it into the state"
    return Group(table, "", *([done] if written else []), Text(ahead, style="bold"))


def adopted_list(found: Sequence[Found]) -> list[dict[str, Any]]:
    """The same as JSON values."""
    return [
        {
            "urn": each.pending.urn,
            "was": each.pending.doing,
            "region": each.pending.region,
            "id": each.id,
            "says": each.says,
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
    """A live line on a terminal, beside what is printed; nothing elsewhere."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda text, share: None
        return
    with console.status("") as status:
        yield lambda text, share: status.update(text)


def show(renderable: RenderableType) -> None:
    """Print to standard output; without a terminal at full width, so that logs and pipes are never cut."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(renderable, highlight=False)
