"""Commands about runs: list them, and make the report of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack
from dr.errors import Exit

EXITS = {
    "report": {
        Exit.OK: "The report is written, whatever the verdict of the run.",
        Exit.FAILED: "The recovery region does not answer, and this machine has no evidence of the run.",
        Exit.REFUSED: "The run does not exist, or no stack is deployed.",
    },
    "incidents": {Exit.REFUSED: "No stack is deployed."},
}
NEWEST = 20
"""Runs that `dr incidents` lists if no limit is given."""


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for name, command in COMMANDS.items():
        app.command(name, epilog=exits(EXITS[name]))(command)


def report(
    run: Annotated[str, typer.Argument(help="ID of a run; by default the newest.", show_default=False)] = "",
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Make the report of a run, as an HTML page.

    It has the verdict, the timeline, what to do next, and the evidence. Works for drills and operations, on any
    machine: without an evidence folder, the report is made from the journal in the recovery region. What was not
    recorded is unknown. Prints the steps as a timeline, and the path of the page.
    """
    from dr.cli.evidence_report import report_dict, report_text
    from dr.cli.report import progress
    from dr.config.project import load_topology
    from dr.control import shared_journal
    from dr.evidence import folder
    from dr.evidence.page import page_of
    from dr.evidence.reading import read
    from dr.evidence.runs import collect

    with errors_shown(as_json), progress(not as_json) as shown:
        shown("reading the journal", None)
        place = collect(lambda: shared_journal.of_topology(load_topology(project, stack)), run)
        path = folder.write_report(place)
        page = page_of(read(place))
    print_result(as_json, lambda: report_dict(page, path), lambda: report_text(page, path))


def incidents(
    as_json: Json = False,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Most runs that are listed.")] = NEWEST,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """List the runs of operations, the newest first.

    Each with its reason, result, duration and author, from the recovery region. The run that opened the current
    incident is marked.
    """
    from dr.cli.evidence_report import incidents_list, incidents_text
    from dr.cli.report import progress
    from dr.config.project import load_topology
    from dr.control import shared_journal
    from dr.control.state_store import StateStore
    from dr.evidence.runs import summaries

    with errors_shown(as_json), progress(not as_json) as shown:
        shown("reading the journal", None)
        journal = shared_journal.of_topology(load_topology(project, stack))
        stored = StateStore(journal.region, journal.bucket).read()
        found = summaries(journal, stored, limit)
    print_result(as_json, lambda: incidents_list(found), lambda: incidents_text(found))


COMMANDS: dict[str, Callable[..., None]] = {"report": report, "incidents": incidents}
