"""`dr restore-volume`: an EBS volume of the recovery region from its newest copy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes
from dr.errors import Exit

EXITS = {
    "restore-volume": {
        Exit.OK: "The volume is restored; or, without --yes, the plan can be executed; or the copies are listed.",
        Exit.FAILED: "The restore failed, or the region does not answer. The same command continues.",
        Exit.REFUSED: "The volume that was restored before is deleted.",
    }
}


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("restore-volume", epilog=exits(EXITS["restore-volume"]))(restore_volume)


def restore_volume(
    volume: Annotated[
        str | None, typer.Argument(help="ID of the volume that was backed up.", show_default=False)
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Zone of the new volume.", show_default="the first one")] = None,
    claim: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", help="Write manifests of a volume for this claim.", show_default=False),
    ] = None,
    manifest: Annotated[Path, typer.Option(metavar="FILE", help="File of the manifests, which --claim writes.")] = Path(
        "volume.json"
    ),
    role: Annotated[
        str, typer.Option(metavar="ARN", help="Role that restores.", show_default="that of the backup")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Restore another volume of the same copy.")] = False,
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Restore a volume from its copy, in the recovery region.

    Without a volume, lists the newest copy of each. Shows the plan. With --yes, or after a question, executes it: AWS
    Backup creates a volume with the size and the tags of the one that was backed up, encrypted with the key of the
    vault. The same command continues after an interruption, and restores no second volume. It calls the recovery
    region only.
    """
    from dr.cli.report import progress
    from dr.cli.restore import may_execute
    from dr.cli.restore_volume_report import copies_dict, copies_text, restore_dict, restore_text, write_manifests
    from dr.config.project import load_topology
    from dr.data import volumes
    from dr.topology.topology import Role

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        region, vault = topology.recovery.region, topology.copies_vault(Role.RECOVERY)
        copies = volumes.copies(region, vault)
        if volume is None:
            now = datetime.now(UTC)
            print_result(as_json, lambda: copies_dict(copies, now), lambda: copies_text(copies, vault, region, now))
            return
        there = zone or topology.recovery.zones[0]
        volumes.check_claim(claim)
        mark = datetime.now(UTC).isoformat() if again else ""
        found = volumes.plan(volumes.Wanted(region, vault, volume, there, role, mark), copies)
        volumes.check_zone(region, there)
        if not yes:
            print_result(as_json, lambda: restore_dict(found), lambda: restore_text(found))
            if not may_execute(None, 1, as_json, "Restore now?"):
                return
        with progress(not as_json) as report:
            found = volumes.execute(found, lambda line: report(line, None))
        written = write_manifests(manifest, found, claim) if claim else None
    print_result(as_json, lambda: restore_dict(found, written), lambda: restore_text(found, written))
