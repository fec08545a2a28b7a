"""Convert a readiness report to text and to JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.findings_layout import ADVISED, FINDINGS, STYLES, objective_text
from dr.cli.layout import INDENT, Paragraph, Rows
from dr.findings import Finding, Status
from dr.operations.readiness import ReadinessReport

VERSION = 1
"""Version of the JSON document; increased when a field is removed or changes its meaning."""


def check_text(report: ReadinessReport) -> RenderableType:
    """A readiness report as text: what is missed, unknown or stale first, each with its fix."""
    findings = sorted(report.findings, key=lambda each: each.status not in ADVISED)
    rows = [(Text(each.status, style=STYLES[each.status]), each.name, _measured(each)) for each in findings]
    fixes: list[RenderableType] = []
    for hint in dict.fromkeys(each.hint for each in findings if each.hint and each.status in ADVISED):
        names = [each.name for each in findings if each.hint == hint]
        fixes += [Paragraph(f"{', '.join(names)}:"), Paragraph(f"-> {hint}", "bold", INDENT)]
    tier = objective_text(report.tier) if report.tier else f"unknown: {report.recovery} does not answer"
    what = f"guards of {report.operation}" if report.operation else f"readiness of {report.recovery}"
    head = Rows([("checked", what), ("tier", tier), ("result", _result(report))])
    return Group(head, "", Rows(rows, FINDINGS), *[""][: len(fixes)], *fixes)


def _measured(finding: Finding) -> str:
    if finding.objective and finding.status is not Status.INFO:
        return f"{finding.measured} (objective: {finding.objective})"
    return finding.measured


def _result(report: ReadinessReport) -> Text:
    counts = Counter(each.status for each in report.findings)
    status = next((each for each in ADVISED if counts[each]), Status.MET)
    text = ", ".join(f"{counts[each]} {each}" for each in Status if counts[each])
    return Text(f"{'ready' if status is Status.MET else 'not proven ready'}: {text}", style=STYLES[status])


def check_dict(report: ReadinessReport) -> dict[str, Any]:
    """A readiness report as JSON values."""
    return {
        "version": VERSION,
        "at": report.at.isoformat(timespec="seconds"),
        "primary": report.primary,
        "recovery": report.recovery,
        "tier": report.tier.value if report.tier else None,
        "operation": report.operation or None,
        "findings": [
            {
                "name": each.name,
                "status": each.status.value,
                "measured": each.measured,
                "objective": each.objective,
                "fix": each.hint,
                "at": each.at or report.at.isoformat(timespec="seconds"),
            }
            for each in report.findings
        ],
        "exit_code": int(report.exit_code),
    }
