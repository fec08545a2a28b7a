"""Convert rotations of the database's login to text and JSON. They contain no password."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType

from dr.cli.layout import Paragraph, Rows
from dr.data.login_rotation import Rotation


def rotation_text(found: Rotation) -> RenderableType:
    """A plan, or what its execution did, as text."""
    read = f"{found.secret} in {found.region}"
    rows = [
        ("secret", read if found.resets else f"{read}, with a replica in {found.replica}"),
        ("current", f"version {found.current}, of {found.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("database", f"{found.writer} in {found.writer_region}"),
        ("state", _state(found)),
    ]
    return Group(Rows(rows), "", Paragraph(_hint(found), "bold"))


def _state(found: Rotation) -> str:
    if found.done:
        return "the database has the password of the current version" if found.resets else "done, in both regions"
    return f"version {found.following} waits for its end" if found.started else "not started"


def _hint(found: Rotation) -> str:
    if found.done:
        return "-> restart pods that read the secret at their start"
    if found.resets:
        return "-> --yes gives the database the password of the current version"
    return "-> --yes continues the rotation" if found.started else "-> --yes changes the password"


def rotation_dict(found: Rotation) -> dict[str, Any]:
    """A plan, or what its execution did, as JSON values."""
    return {
        "secret": found.secret,
        "region": found.region,
        "replica": found.replica or None,
        "cluster": found.writer,
        "cluster_region": found.writer_region,
        "version": found.following if found.done and not found.resets else found.current,
        "created": found.created.isoformat(),
        "reset": found.resets,
        "started": found.started,
        "executed": found.done,
    }
