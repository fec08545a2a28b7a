"""`dr backfill`: replicate object versions that a region's buckets lack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes, region_names
from dr.errors import Exit

EXITS = {
    "backfill": {
        Exit.OK: "Nothing is missing; or, without --yes, the plan is shown; or the jobs copied everything.",
        Exit.FAILED: "Some versions were not copied, or a region does not answer. The same command continues.",
        Exit.REFUSED: "A bucket does not exist.",
    }
}


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("backfill", epilog=exits(EXITS["backfill"]))(backfill)


def backfill(
    pair: Annotated[str, typer.Option(help="A bucket pair; every pair if not given.", show_default=False)] = "",
    region: Annotated[
        str,
        typer.Option(
            help="The region to fill; the recovery region if not given.",
            show_default=False,
            autocompletion=region_names,
        ),
    ] = "",
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Replicate object versions that the other region lacks.

    Versions from before replication was configured, those that failed, or all of a lost replica.

    Compares both buckets of each pair by version, and shows objects, bytes and cost. With --yes, or after a question,
    runs a job of S3 Batch Replication for each pair, follows it, and compares again. A job continues without this
    command; the same command finds it and follows it.
    """
    from dr.cli.backfill_report import backfill_dict, backfill_text
    from dr.cli.report import progress
    from dr.cli.restore import may_execute
    from dr.config.project import load_topology
    from dr.data.backfill import execute, plan
    from dr.topology.topology import Role

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        with progress(not as_json) as report:
            found = plan(topology, region or topology.site(Role.RECOVERY).region, pair, report)
        if not yes:
            print_result(as_json, lambda: backfill_dict(found), lambda: backfill_text(found))
            if not may_execute(None, found.to_do, as_json, "Start the jobs now?"):
                raise typer.Exit(found.exit_code)
        with progress(not as_json) as report:
            found = execute(found, report)
    print_result(as_json, lambda: backfill_dict(found), lambda: backfill_text(found))
    raise typer.Exit(found.exit_code)
