"""`dr rotate-secret`: a new password for the database's master user, in the secret and in the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes
from dr.errors import Exit

EXITS = {
    "rotate-secret": {
        Exit.OK: "The password is changed, in both regions; or, without --yes, the plan can be executed.",
        Exit.FAILED: "A call failed, or a region does not answer. The same command continues.",
        Exit.REFUSED: "The deployment has no database, an operation runs, or the secret or the database is not ready.",
    }
}


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("rotate-secret", epilog=exits(EXITS["rotate-secret"]))(rotate_secret)


def rotate_secret(
    reset: Annotated[
        bool,
        typer.Option("--reset", help="Give the database the password that the secret has now. No new one is created."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Change the password of the database's master user.

    Shows the plan. With --yes, or after a question, writes a new version of the secret in the primary region, sets its
    password where the database writes, makes it the current version, and waits until the other region has it. An
    interrupted rotation is continued with the same password. With --reset, only the region that writes and the recovery
    region are called: this is the way back while the primary region is lost.
    """
    from dr.cli.report import progress
    from dr.cli.restore import may_execute
    from dr.cli.rotate_secret_report import rotation_dict, rotation_text
    from dr.config.project import load_topology
    from dr.control.control_bucket import read_half
    from dr.data import login_rotation
    from dr.data.regions import places
    from dr.names import CONTROL
    from dr.topology.topology import Role

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        home, away = (places(topology)[role] for role in Role)
        halves = (read_half(away.region, away.buckets[CONTROL], role) for role in Role)
        record, own = (each.database if each else None for each in halves)
        deployed = login_rotation.Deployed(home, away, record, own, topology.bucket_prefix)
        found = login_rotation.plan_reset(deployed) if reset else login_rotation.plan(deployed)
        if not yes:
            print_result(as_json, lambda: rotation_dict(found), lambda: rotation_text(found))
            if not may_execute(None, 1, as_json, "Change the password now?"):
                return
        with progress(not as_json) as report:
            found = login_rotation.execute(found, report)
    print_result(as_json, lambda: rotation_dict(found), lambda: rotation_text(found))
