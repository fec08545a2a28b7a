"""`dr export-database`: the newest snapshot of the database as Parquet files in the registry bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes, region_names
from dr.errors import Exit

EXITS = {
    "export-database": {
        Exit.OK: "The snapshot is exported; or, without --yes, the plan can be executed.",
        Exit.FAILED: "The export failed, or the region does not answer. The same command continues.",
        Exit.REFUSED: "The deployment has no database, or the region has no snapshot of it.",
    }
}


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("export-database", epilog=exits(EXITS["export-database"]))(export_database)


def export_database(
    region: Annotated[
        str, typer.Option(help="The region; by default the primary region.", autocompletion=region_names)
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Export a snapshot that was exported before.")] = False,
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Export the newest database snapshot of a region to S3.

    Shows the plan. With --yes, or after a question, starts an export task of RDS and waits until it is complete. The
    task reads the snapshot and no cluster. The same command follows a task that runs, and exports no snapshot twice. It
    calls that region only.
    """
    from dr.cli.export_database_report import export_dict, export_text
    from dr.cli.report import progress
    from dr.cli.restore import may_execute
    from dr.config.project import load_topology
    from dr.control.control_bucket import read_half
    from dr.data import database_export
    from dr.data.regions import place_of
    from dr.names import CONTROL
    from dr.topology.topology import Role

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        place = place_of(topology, region)
        halves = {role: read_half(place.region, place.buckets[CONTROL], role) for role in Role}
        records = {role: each.database if each else None for role, each in halves.items()}
        found = database_export.plan(place, records[Role.PRIMARY], records[place.role], topology.bucket_prefix, again)
        if not yes and not found.done:
            print_result(as_json, lambda: export_dict(found), lambda: export_text(found))
            if not may_execute(None, 1, as_json, "Export now?"):
                return
        with progress(not as_json) as report:
            found = database_export.execute(found, report)
    print_result(as_json, lambda: export_dict(found), lambda: export_text(found))
