"""Convert the results of `dr sets` to text and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.layout import INDENT, Paragraph, Rows
from dr.data.listing import Held, Listing
from dr.data.set_publishing import Published
from dr.data.set_restore_plan import SetRestore, sources
from dr.data.verification import RegionSets, Verified
from dr.errors import Exit

STYLES = {"whole": "green", "missing": "bold red", "unknown": "yellow"}
MOST = 20
"""Missing objects of a region that text names; JSON has all."""


def list_text(found: Listing) -> RenderableType:
    """Versions of model sets as text."""
    if not found.versions:
        return Paragraph("No version is published: `dr sets publish` publishes one.")
    regions = [held.region for held in found.versions[0].held]
    rows = list[list[str | Text]]()
    for each in found.versions:
        manifest = each.manifest
        size = (f"{len(manifest.entries):,}", f"{manifest.size:,}") if manifest else ("unknown", "unknown")
        rows.append([each.name, each.set_id, *size, *(_held_text(held) for held in each.held)])
    parts: list[RenderableType] = [Rows(rows, ("set", "version", "objects", "bytes", *regions))]
    if found.left_out:
        parts += ["", Paragraph(f"{found.left_out:,} older versions are not listed: --all lists them")]
    if found.silent:
        parts += ["", *(Paragraph(f"{problem.fact} -> {problem.remedy}") for problem in found.silent)]
    return Group(*parts)


def _held_text(held: Held) -> Text:
    state = "unknown" if held.missing is None else "missing" if held.missing else "whole"
    return Text(f"{held.missing:,} missing" if held.missing else state, style=STYLES[state])


def list_dict(found: Listing) -> dict[str, Any]:
    """Versions of model sets as JSON values."""
    return {
        "versions": [
            {
                "name": each.name,
                "version": each.set_id,
                "created": each.manifest.created if each.manifest else None,
                "objects": len(each.manifest.entries) if each.manifest else None,
                "bytes": each.manifest.size if each.manifest else None,
                "image": each.manifest.image if each.manifest else None,
                "restored_from": (each.manifest.source or None) if each.manifest else None,
                "regions": [asdict(held) for held in each.held],
            }
            for each in found.versions
        ],
        "left_out": found.left_out,
        "unknown": [asdict(problem) for problem in found.silent],
        "exit_code": int(found.exit_code),
    }


def publish_text(found: Published) -> RenderableType:
    """A published version as text."""
    manifest = found.manifest
    done = "has the same content: nothing was written" if found.kept else "is published"
    size = f"{len(manifest.entries):,} objects, {manifest.size:,} bytes"
    return Group(
        Paragraph(f"{manifest.name} {manifest.set_id} {done} in {found.region}: {size}."),
        Paragraph("-> `dr sets verify` shows when each region can recover it", "bold"),
    )


def publish_dict(found: Published) -> dict[str, Any]:
    """A published version as JSON values."""
    manifest = found.manifest
    return {
        "name": manifest.name,
        "version": manifest.set_id,
        "region": found.region,
        "kept": found.kept,
        "objects": len(manifest.entries),
        "bytes": manifest.size,
        "digest": manifest.digest,
        "image": manifest.image,
    }


def set_restore_text(found: SetRestore) -> RenderableType:
    """A plan of a restore, or what its execution did, as text."""
    wanted = found.wanted
    target = f"to {wanted.to}" if wanted.to is not None else f"as version {found.target_id}"
    head = Paragraph(f"{wanted.name} {wanted.set_id} in {wanted.place.region}", "bold")
    if not found.to_write:
        return Group(head, Paragraph("Nothing is to be restored: every object is there, with its hash."))
    size = sum(each.entry.size for each in found.to_copy)
    copies = f"{len(found.to_copy):,} of {len(found.pieces):,} objects, {size:,} bytes"
    origin = f" from {' and '.join(sources(found))}" if found.to_copy else ""
    parts: list[RenderableType] = [head]
    if found.done:
        return Group(
            head,
            Paragraph(f"{copies}{origin} are restored {target}; every hash is that of the manifest."),
            Paragraph("-> `dr sets verify` shows when each region can recover it", "bold"),
        )
    parts.append(Paragraph(f"copies {copies}{origin} {target}"))
    if found.resumes:
        parts.append(Paragraph("continues an interrupted restore"))
    if found.newer:
        parts.append(Paragraph(f"{len(found.newer):,} newer versions would no longer be served", "yellow"))
    return Group(*parts, "", Paragraph("-> --yes executes it; no version is deleted", "bold"))


def set_restore_dict(found: SetRestore) -> dict[str, Any]:
    """A plan of a restore, or what its execution did, as JSON values."""
    wanted, refusal = found.wanted, found.refusal
    return {
        "name": wanted.name,
        "version": wanted.set_id,
        "region": wanted.place.region,
        "to": wanted.to,
        "new_version": found.target_id or None,
        "resumes": found.resumes,
        "objects": len(found.pieces),
        "to_copy": len(found.to_copy),
        "bytes": sum(each.entry.size for each in found.to_copy),
        "from": list(sources(found)),
        "newer": list(found.newer),
        "executed": found.done is not None,
        "refusal": [asdict(each) for each in refusal.problems] if refusal else None,
        "exit_code": int(refusal.exit_code if refusal else Exit.OK),
    }


def verify_text(found: Verified) -> RenderableType:
    """What each region can recover, as text: one line a region, then what is missing and what is unknown."""
    rows, listed = [], list[RenderableType]()
    for each in found.regions:
        state = _state(each)
        newest = each.newest_recoverable or "none known"
        rows.append((Text(state, style=STYLES[state]), f"{each.role} ({each.region})", newest, _compared(each)))
        for lack in each.missing[:MOST]:
            listed.append(Text(f"{each.region} {lack.bucket}"))
            listed.append(Text(f"{' ' * INDENT}{lack.key}"))
            version = f"version {lack.version_id}: " if lack.version_id else ""
            listed.append(Paragraph(f"{version}{lack.why}", indent=INDENT))
        if len(each.missing) > MOST:
            listed.append(Paragraph(f"{each.region}: {len(each.missing) - MOST:,} more; --json lists all"))
        for problem in each.unknown[:MOST]:
            listed += [
                Paragraph(f"{problem.subject}: {problem.fact}"),
                Paragraph(f"-> {problem.remedy}", indent=INDENT),
            ]
        if len(each.unknown) > MOST:
            listed.append(Paragraph(f"{each.region}: {len(each.unknown) - MOST:,} more; --json lists all"))
    if lacking := next((each for each in found.regions if each.missing), None):
        command = f"`dr sets restore {lacking.newest} --region {lacking.region}`"
        advice = f"-> wait if replication is PENDING; else {command} copies what the other region holds"
        if lacking.newest_recoverable:
            advice += f". {lacking.newest_recoverable} is whole"
        listed.append(Paragraph(advice, "bold"))
    head = Text(f"model set {found.name}", style="bold")
    table = Rows(rows, ("state", "region", "newest recoverable", "compared"))
    return Group(head, table, *[""][: len(listed)], *listed)


def verify_dict(found: Verified) -> dict[str, Any]:
    """What each region can recover, as JSON values."""
    return {
        "name": found.name,
        "regions": [{"state": _state(each), **asdict(each), "role": str(each.role)} for each in found.regions],
        "exit_code": int(found.exit_code),
    }


def _state(found: RegionSets) -> str:
    if found.missing:
        return "missing"
    return "unknown" if found.unknown else "whole"


def _compared(found: RegionSets) -> str:
    if not found.objects:
        return "nothing"
    by_checksum = found.objects - found.objects_read
    return f"{by_checksum:,} by S3's checksum, {found.objects_read:,} by reading {found.bytes_read:,} bytes"
