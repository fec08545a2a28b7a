"""`dr supply`: images and charts in each region's own registry."""

from __future__ import annotations

from pathlib import Path

import typer

from dr.cli.command import Json, application, errors_shown, exits, print_result
from dr.cli.options import Project, Stack
from dr.errors import Exit

app = application("supply", "Images and charts in each region's own registry.")

EXITS = {
    "supply list": {Exit.FAILED: "There are no AWS credentials, or no region answers."},
    "supply sync": {
        Exit.OK: "Each region's registry holds everything.",
        Exit.FAILED: "Something was not copied, or a region does not answer; the rest was copied.",
        Exit.INVALID: "PATH has no crane, or a setting or the lock file cannot be used.",
        Exit.REFUSED: "The repositories do not exist.",
    },
    "supply check": {
        Exit.OK: "Each region's registry holds everything.",
        Exit.FAILED: "A registry lacks something.",
        Exit.UNKNOWN: "A registry could not be read; none is known to lack anything.",
    },
}
"""What exit codes mean, by command."""


@app.command("list", epilog=exits(EXITS["supply list"]))
def list_(as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """List every image and chart that either region needs, with its digest.

    The images of a chart's pods are listed once `dr supply sync` has read the chart.
    """
    from dr.cli.supply_report import list_dict, list_text
    from dr.config.project import load_topology, project_folder
    from dr.supply.catalog import needed
    from dr.supply.items import items
    from dr.supply.lock import read

    with errors_shown(as_json):
        found = items(needed(load_topology(project, stack)), read(project_folder(project)))
    print_result(as_json, lambda: list_dict(found), lambda: list_text(found))


@app.command(epilog=exits(EXITS["supply sync"]))
def sync(as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """Copy what a region's registry lacks, by digest.

    Resolves each image and chart once, and writes the digests to supply.json. A copy comes from the other region if
    that holds it, else from the publisher. Needs crane on PATH. Repeat it after an interruption: only what is lacking
    is copied.
    """
    from dr.cli.report import progress
    from dr.cli.supply_report import sync_dict, sync_text
    from dr.config.project import load_topology, project_folder
    from dr.supply.sync import run

    with errors_shown(as_json), progress(not as_json) as report:
        found = run(load_topology(project, stack), project_folder(project), report)
    print_result(as_json, lambda: sync_dict(found), lambda: sync_text(found))
    raise typer.Exit(found.exit_code)


@app.command(epilog=exits(EXITS["supply check"]))
def check(as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """Show what each region's registry lacks.

    Each registry is read in its own region: one region's result does not depend on the other's.
    """
    from dr.cli.supply_report import check_dict, check_text
    from dr.config.project import load_topology, project_folder
    from dr.supply.check import exit_code, run

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        found = run(topology, project_folder(project))
    print_result(as_json, lambda: check_dict(found), lambda: check_text(found, topology.bucket_prefix))
    raise typer.Exit(exit_code(found))
