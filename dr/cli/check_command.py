"""The command `dr check`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack
from dr.errors import Exit

EXITS = {
    "check": {
        Exit.OK: "Every check is met.",
        Exit.FAILED: "A check is missed; its fix is shown.",
        Exit.REFUSED: "No stack is deployed.",
        Exit.UNKNOWN: "A value is unknown or stale, and no check is known to be missed.",
    }
}


class Checked(StrEnum):
    """Operations with guards that can be checked alone."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    FAILBACK = "failback"


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("check", epilog=exits(EXITS["check"]))(check)


def check(
    operation: Annotated[
        Checked | None, typer.Option(help="Check the guards of this operation only.", show_default=False)
    ] = None,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Check whether the recovery region is ready for a failover.

    A correct inference there, or all that it would take: quotas, GPU instance types, images and charts, a whole model
    set with a known answer. Replication lag, backup copies, certificate, credentials, permissions, equality of both
    regions, writes of the journal, state backend, and what the last drill proves. Nothing is changed, except one object
    in the control bucket that is written again.

    Ends within 5 seconds. The recovery region is called; what is asked of the primary region and of IAM is an addition
    while they answer, and unknown otherwise. With --operation, only the guards of that operation are checked.
    """
    from dr.cli.check_report import check_dict, check_text
    from dr.cli.report import progress
    from dr.config.project import load_settings, project_folder
    from dr.operations.readiness import run

    with errors_shown(as_json), progress(not as_json) as report:
        found = run(load_settings(project, stack), project_folder(project), stack, operation or "", report)
    print_result(as_json, lambda: check_dict(found), lambda: check_text(found))
    raise typer.Exit(found.exit_code)
