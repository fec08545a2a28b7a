"""Convert the results of `dr restore` to text and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.layout import INDENT, Paragraph, Rows
from dr.data.prefix_restore import Outcome, Restore
from dr.data.restore_rules import COPIED, Kind


def restore_text(found: Restore) -> RenderableType:
    """A plan, or what its execution did, as text."""
    wanted, outcome = found.wanted, found.done or found.plan
    where = "in place" if wanted.to is None else f"to {wanted.to}"
    head = f"s3://{wanted.bucket}/{wanted.prefix} ({wanted.region}) as of {wanted.at.isoformat()}, {where}"
    rows = list[list[str | Text]]()
    for kind in Kind:
        if count := outcome.tally.objects[kind]:
            size = "" if kind is Kind.CREATED else f"{outcome.tally.bytes[kind]:,}"
            rows.append(
                [_title(kind, found), f"{count:,}", size, _action(kind, found), outcome.tally.examples[kind][0]]
            )
    parts: list[RenderableType] = [Paragraph(head, "bold")]
    if rows:
        parts.append(Rows(rows, ("keys", "objects", "bytes", "action", "for example")))
    for problem in outcome.problems:
        parts += [Paragraph(f"{problem.subject}: {problem.fact}", "red"), Paragraph(f"-> {problem.remedy}", "", INDENT)]
    if outcome.failed:
        parts.append(Paragraph(f"{outcome.failed:,} objects could not be restored.", "bold red"))
    if found.done or not found.refusal:
        parts += ["", Paragraph(_advice(found), "bold")]
    return Group(*parts)


def _title(kind: Kind, found: Restore) -> str:
    there = found.wanted.to is not None
    return {
        Kind.UNCHANGED: "unchanged since",
        Kind.RESTORED: "restored before",
        Kind.DELETED: "deleted since",
        Kind.CHANGED: "other objects there" if there else "newer data",
        Kind.LACKING: "not there yet",
        Kind.CREATED: "created since",
        Kind.ARCHIVED: "archived",
    }[kind]


def _action(kind: Kind, found: Restore) -> str:
    past = found.done is not None
    if kind in COPIED:
        return "restored" if past else "restore"
    if kind is Kind.CREATED and found.wanted.delete_created:
        return "delete marker set" if past else "set a delete marker"
    return "kept" if past else "keep"


def _advice(found: Restore) -> str:
    if found.done:
        if found.done.failed:
            return "-> fix what is reported, and repeat the command: restored objects are skipped"
        return "-> repeat the command without --yes to see that nothing is left"
    if not found.to_write:
        return "Nothing is left to restore."
    created = found.plan.tally.objects[Kind.CREATED]
    kept = f" What was created since ({created:,}) is kept; --delete-created sets delete markers."
    hint = kept if created and found.wanted.to is None and not found.wanted.delete_created else ""
    return f"-> --yes writes {found.to_write:,} new versions; no version is deleted.{hint}"


def restore_dict(found: Restore) -> dict[str, Any]:
    """A plan, or what its execution did, as JSON values."""
    wanted, outcome, refusal = found.wanted, found.done or found.plan, found.refusal
    return {
        "bucket": wanted.bucket,
        "region": wanted.region,
        "prefix": wanted.prefix,
        "as_of": wanted.at.isoformat(),
        "to": wanted.to,
        "executed": found.done is not None,
        "plan": _outcome_dict(found.plan),
        "done": _outcome_dict(found.done) if found.done else None,
        "to_write": found.to_write,
        "refusal": [asdict(each) for each in refusal.problems] if refusal else None,
        "problems": [asdict(each) for each in outcome.problems],
        "failed": outcome.failed,
        "exit_code": int(refusal.exit_code if refusal else found.exit_code),
    }


def _outcome_dict(outcome: Outcome) -> dict[str, Any]:
    tally = outcome.tally
    return {
        str(kind): {"objects": tally.objects[kind], "bytes": tally.bytes[kind], "examples": tally.examples[kind]}
        for kind in Kind
    }
