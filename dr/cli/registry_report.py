"""Convert the results of `dr registry` to text and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli import restore_report
from dr.cli.layout import Paragraph, Rows
from dr.data.registry_agreement import Agreement
from dr.data.registry_restore import RegistryRestore

SHOWN = 20
"""Differences of each kind that the text names; JSON has all."""


def agreement_text(found: Agreement) -> RenderableType:
    """A comparison as text."""
    counts = ", ".join(f"{number:,} {kind}{'' if number == 1 else 's'}" for kind, number in found.rows.items())
    parts: list[RenderableType] = [Paragraph(f"s3://{found.bucket} ({found.region}) and {counts}", "bold")]
    backup = f"newest backup: {found.backup}" if found.backup else "no backup, so what runs had is not known"
    parts.append(Paragraph(f"{found.objects:,} artifacts; {backup}"))
    for title, differences in (
        ("missing", [[each.row, each.key, each.version_id or "unknown", each.why] for each in found.missing]),
        ("named by no row", [["", each.key, each.version_id, f"{each.size:,} bytes"] for each in found.unnamed]),
    ):
        if differences:
            rows: list[list[str | Text]] = [list(each) for each in differences[:SHOWN]]
            parts += ["", Paragraph(f"{len(differences):,} {title}", "bold red")]
            parts.append(Rows(rows, ("row", "key", "version", "why" if title == "missing" else "size")))
            if len(differences) > SHOWN:
                parts.append(Paragraph(f"... and {len(differences) - SHOWN:,} more: --json names all"))
    parts += ["", Paragraph(_advice(found), "bold")]
    return Group(*parts)


def _advice(found: Agreement) -> str:
    if not found.missing and not found.unnamed:
        return "Database and bucket agree."
    return "-> `dr registry restore --as-of TIME` restores both as of one time"


def agreement_dict(found: Agreement) -> dict[str, Any]:
    """A comparison as JSON values."""
    missing = [{"bucket": found.bucket, **asdict(each)} for each in found.missing]
    unnamed = [{"bucket": found.bucket, **asdict(each)} for each in found.unnamed]
    return {**asdict(found), "missing": missing, "unnamed": unnamed, "exit_code": int(found.exit_code)}


def restore_text(found: RegistryRestore) -> RenderableType:
    """A plan, or what its execution did, as text."""
    wanted, done = found.wanted, found.artifacts.done is not None
    if found.endpoint:
        database = f"{wanted.cluster} is available: {found.endpoint}"
    else:
        database = f"{wanted.database.cluster} is restored to the new cluster {wanted.cluster}"
    parts: list[RenderableType] = [Paragraph(f"database: {database}", "bold")]
    parts.append(restore_report.restore_text(found.artifacts))
    if done:
        parts.append(Paragraph("-> let MLflow use the new cluster, and run `dr registry verify`", "bold"))
    return Group(*parts)


def restore_dict(found: RegistryRestore) -> dict[str, Any]:
    """A plan, or what its execution did, as JSON values."""
    artifacts = restore_report.restore_dict(found.artifacts)
    refusal = found.refusal
    return {
        "as_of": artifacts["as_of"],
        "executed": artifacts["executed"],
        "database": {
            "source": found.wanted.database.cluster,
            "cluster": found.wanted.cluster,
            "earliest": found.earliest.isoformat(),
            "latest": found.latest.isoformat(),
            "endpoint": found.endpoint or None,
        },
        "artifacts": artifacts,
        "to_write": found.to_write,
        "refusal": [asdict(each) for each in refusal.problems] if refusal else None,
        "exit_code": int(refusal.exit_code if refusal else found.exit_code),
    }
