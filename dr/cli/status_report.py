"""Convert a status to text, to JSON, and to the lines of its changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.findings_layout import ADVISED, FINDINGS, STYLES, objective_text
from dr.cli.layout import Paragraph, Rows
from dr.control.incident_state import IncidentState
from dr.findings import Finding, Status
from dr.operations.promises import SERVING, clock_text, serving_text, since_text
from dr.operations.status import StatusReport
from dr.topology.topology import AutomationMode

VERSION = 1
"""Version of the JSON document; increased when a field is removed or changes its meaning."""


def status_text(report: StatusReport) -> RenderableType:
    """A status as text; what is missed, unknown or stale comes first."""
    rows = [
        (
            Text(finding.status, style=STYLES[finding.status]),
            finding.name,
            f"{_measured(finding)}{_last(report, finding)}",
        )
        for finding in sorted(report.findings, key=lambda each: each.status not in ADVISED)
        if finding.name != SERVING
    ]
    parts: list[RenderableType] = [Rows(_head(report)), "", Rows(rows, FINDINGS)]
    if report.alarms:
        alarms = [(alarm.name, alarm.region, since_text(alarm.since, report.at)) for alarm in report.alarms]
        parts += ["", Rows(alarms, ("alarm", "region", "fires"))]
    hints = dict.fromkeys(each.hint for each in report.findings if each.hint and each.status in ADVISED)
    return Group(*parts, *[""][: len(hints)], *(Paragraph(f"-> {hint}", "bold") for hint in hints))


def _head(report: StatusReport) -> Iterator[tuple[str, str | Text]]:
    now, clients = report.at, report.clients
    serving = next((each for each in report.findings if each.name == SERVING), None)
    text = serving_text(report.serving, now)
    yield "serving", Text(f"{text}{_last(report, serving)}", style=STYLES[serving.status]) if serving else text
    yield "clients", f"{clients.region}, by DNS" if clients.region else f"unknown: {clients.reason}"
    yield "tier", objective_text(report.tier) if report.tier else "unknown: the contract of the dr stack is not read"
    yield from _incident(report.day, now)
    yield "automation", _automation(report)
    yield "proof", f"{report.proof.status}: {report.proof.measured}"
    for role, region in (("primary", report.primary), ("recovery", report.recovery)):
        yield role, f"{region}, does not answer" if region in report.silent else region
    yield "as of", f"{now:%Y-%m-%d %H:%M:%S} UTC, contract from {report.read_from or 'neither region'}"


def _incident(day: IncidentState | None, now: datetime) -> Iterator[tuple[str, str]]:
    if day is None:
        yield "incident", "unknown: the incident state is not read"
        return
    found = day.incident
    opened = f"{found.id} {since_text(datetime.fromisoformat(found.opened), now)}: {found.reason}" if found else "none"
    yield "incident", opened
    if day.replicas_written or day.levers.admitted:
        levers = {"engage": day.levers.engaged, "admit": day.levers.admitted}
        yield "levers", ", ".join(f"{name} {'set' if value else 'not set'}" for name, value in levers.items())
    if day.activation:
        yield "raised to", str(day.activation)
    if day.lease and day.lease.holder and (expires := datetime.fromisoformat(day.lease.expires)) > now:
        yield "operator", f"{day.lease.holder} until {clock_text(expires, now)}"


def _automation(report: StatusReport) -> str:
    """Return the mode of automation, and whether it may act."""
    mode = report.automation
    if report.day is None:
        return f"{mode}; unknown whether it is armed"
    if paused := report.day.automation.paused:
        return f"{mode}, paused: {paused}"
    if not report.day.automation.armed:
        return f"{mode}, disarmed until failback"
    return f"{mode}: an operator decides" if mode is AutomationMode.NOTIFY else f"{mode}, armed"


def _measured(finding: Finding) -> str:
    """Return the measured value; with its objective if that is a figure or is not met."""
    if finding.objective and (finding.status is not Status.MET or any(each.isdigit() for each in finding.objective)):
        return f"{finding.measured} (objective: {finding.objective})"
    return finding.measured


def _last(report: StatusReport, finding: Finding | None) -> str:
    if finding is None or not (last := report.last.get(finding.name)):
        return ""
    return f"; last known {clock_text(datetime.fromisoformat(last.at), report.at)}: {last.status}, {last.measured}"


def status_dict(report: StatusReport) -> dict[str, Any]:
    """A status as JSON values; objectives are in seconds, and are not measurements."""
    spec = report.tier.spec if report.tier else None
    at, serving = _iso(report.at), report.serving
    return {
        "version": VERSION,
        "at": at,
        "primary": report.primary,
        "recovery": report.recovery,
        "silent": list(report.silent),
        "serving": {
            "regions": list(serving.regions) if serving.regions is not None else None,
            "since": _iso(serving.since),
            "since_is_bound": serving.before,
            "measured": _iso(serving.measured),
            "reason": serving.reason,
        },
        "clients": asdict(report.clients),
        "tier": report.tier.value if report.tier else None,
        "objectives": {"rto_seconds": spec.rto.total_seconds(), "rpo_seconds": spec.rpo.total_seconds()}
        if spec
        else None,
        "read_from": report.read_from or None,
        "day": json.loads(report.day.to_json()) if report.day else None,
        "automation": {
            "mode": str(report.automation),
            "armed": report.day.automation.armed if report.day else None,
            "paused": report.day.automation.paused if report.day else None,
        },
        "proof": asdict(report.proof),
        "alarms": [{**asdict(alarm), "since": _iso(alarm.since)} for alarm in report.alarms],
        "findings": [
            {
                **asdict(finding),
                "at": finding.at or at,
                "last_known": asdict(last) if (last := report.last.get(finding.name)) else None,
            }
            for finding in report.findings
        ],
        "exit_code": int(report.exit_code),
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def changes(report: StatusReport, before: StatusReport | None) -> list[str]:
    """Return a line for each change since the report before; the first report is a change of everything.

    Args:
        report: The report.
        before: The report before; None for the first one.
    """
    lines = []
    if before is None or (before.serving.regions, before.serving.reason) != (
        report.serving.regions,
        report.serving.reason,
    ):
        lines.append(f"serving: {serving_text(report.serving, report.at)}")
    if before is None or before.clients.region != report.clients.region:
        lines.append(f"clients: {report.clients.region or f'unknown: {report.clients.reason}'}")
    if before is None or before.day != report.day:
        lines += [f"{name}: {text}" for name, text in _incident(report.day, report.at)]
        lines.append(f"automation: {_automation(report)}")
    earlier = {each.name: each.status for each in before.findings} if before else {}
    lines += [
        f"{each.status}: {each.name}: {_measured(each)}"
        for each in report.findings
        if each.name != SERVING and earlier.get(each.name) != each.status
    ]
    fired = {(each.name, each.region) for each in before.alarms} if before else set()
    fires = {(each.name, each.region) for each in report.alarms}
    lines += [f"alarm {name} in {region} fires" for name, region in sorted(fires - fired)]
    lines += [f"alarm {name} in {region} has ended" for name, region in sorted(fired - fires)]
    return [f"{report.at:%Y-%m-%d %H:%M:%S} UTC  {line}" for line in lines]
