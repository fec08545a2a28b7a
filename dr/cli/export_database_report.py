"""Convert exports of database snapshots to text and JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType

from dr.cli.layout import Paragraph, Rows
from dr.data.database_export import Export


def export_text(found: Export) -> RenderableType:
    """A plan, or what its execution did, as text."""
    rows = [
        ("snapshot", f"{found.snapshot.identifier}, of {found.snapshot.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("region", found.region),
        ("bucket", found.bucket),
        ("prefix", found.folder),
        ("role", found.role),
        ("key", found.key),
        ("task", f"{found.task.id}: {found.task.status}" if found.task else f"{found.next_id}: not started"),
    ]
    if found.done:
        rows.append(("exported", f"{found.objects} objects, {found.size} bytes"))
        hint = "-> --again exports the same snapshot once more"
    else:
        hint = "-> --yes follows the task" if found.task else "-> --yes exports it; no cluster is read"
    return Group(Rows(rows), "", Paragraph(hint, "bold"))


def export_dict(found: Export) -> dict[str, Any]:
    """A plan, or what its execution did, as JSON values."""
    task = found.task
    return {
        "region": found.region,
        "snapshot": found.snapshot.identifier,
        "created": found.snapshot.created.isoformat(),
        "bucket": found.bucket,
        "prefix": found.folder,
        "role": found.role,
        "key": found.key,
        "task": task.id if task else None,
        "status": task.status if task else None,
        "ended": task.ended.isoformat() if task and task.ended else None,
        "executed": found.done,
        "objects": found.objects if found.done else None,
        "bytes": found.size if found.done else None,
    }
