"""Convert copies of volumes and their restores to text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from dr.cli.layout import Paragraph, Rows
from dr.data import volumes
from dr.data.recovery_points import Point
from dr.data.volumes import Restore
from dr.topology.tiers import describe_duration

GIB = 1 << 30
COLD = "in cold storage: AWS takes up to 72 h to restore it"


def copies_text(copies: Sequence[Point], vault: str, region: str, now: datetime) -> RenderableType:
    """The newest copy of each volume, as text."""
    if not copies:
        return Paragraph(f"Vault {vault} in {region} has no copy of a volume.")
    rows = [
        (each.name, describe_duration(max(now - each.created, now - now)), f"{each.size // GIB} GiB", _storage(each))
        for each in copies
    ]
    return Group(
        Rows(rows, ("volume", "age of its newest copy", "size", "")),
        "",
        Paragraph("-> `dr restore-volume VOLUME` shows what a restore does", "bold"),
    )


def copies_dict(copies: Sequence[Point], now: datetime) -> list[dict[str, Any]]:
    """The newest copy of each volume, as JSON values."""
    return [{**_point(each), "age_seconds": round((now - each.created).total_seconds())} for each in copies]


def restore_text(found: Restore, written: Path | None = None) -> RenderableType:
    """A plan, or what its execution did, as text."""
    wanted, point = found.wanted, found.point
    rows = [
        ("volume", point.name),
        ("copy", f"{point.arn}, of {point.created:%Y-%m-%d %H:%M:%S} UTC {_storage(point)}".rstrip()),
        ("size", f"{point.size // GIB} GiB"),
        ("zone", wanted.zone),
        ("role", wanted.role or point.role),
    ]
    if not found.made or not found.job:
        return Group(Rows(rows), "", Paragraph("-> --yes restores it; what runs is not changed", "bold"))
    took = (found.job.ended or found.job.started) - found.job.started
    rows += [("restored as", f"{found.made.id}, {found.made.gib} GiB, {found.made.state}")]
    rows += [("restore job", f"{found.job.id}, {took.total_seconds():.0f} s")]
    advice = f"-> `kubectl apply -f {written}` creates its PersistentVolume and the claim" if written else ""
    hint = advice or "-> --claim NAMESPACE/NAME writes manifests for Kubernetes; no second volume is restored"
    return Group(Rows(rows), "", Paragraph(hint, "bold"))


def restore_dict(found: Restore, written: Path | None = None) -> dict[str, Any]:
    """A plan, or what its execution did, as JSON values."""
    job, made = found.job, found.made
    return {
        **_point(found.point),
        "zone": found.wanted.zone,
        "role": found.wanted.role or found.point.role,
        "executed": made is not None,
        "job": job.id if job else None,
        "restored": made.id if made else None,
        "seconds": (job.ended - job.started).total_seconds() if job and job.ended else None,
        "manifest": str(written) if written else None,
    }


def write_manifests(path: Path, found: Restore, claim: str) -> Path | None:
    """Write the manifests of a restored volume, as a list that `kubectl apply` reads, and return the file."""
    if not found.made:
        return None
    items = list(volumes.manifests(found.made, claim))
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2), encoding="utf-8")
    return path


def _point(point: Point) -> dict[str, Any]:
    return {
        "volume": point.name,
        "recovery_point": point.arn,
        "region": point.region,
        "created": point.created.isoformat(),
        "bytes": point.size,
        "cold": point.cold,
    }


def _storage(point: Point) -> str:
    return COLD if point.cold else ""
