"""`dr restore`: a prefix of a bucket as it was at a time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes
from dr.errors import Exit, Invalid, Problem

EXITS = {
    "restore": {
        Exit.OK: "The prefix is restored; or, without --yes, the plan can be executed.",
        Exit.FAILED: "Some objects could not be restored, or the region does not answer. The same command continues.",
        Exit.REFUSED: "The plan would put older data on top of newer data, or the bucket has no versioning.",
    }
}

AsOf = Annotated[str, typer.Option(metavar="TIME", help="The time: 2026-11-28T12:00:00Z.")]
DeleteCreated = Annotated[
    bool, typer.Option("--delete-created", help="Put a delete marker on objects that did not exist at that time.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite-newer", help="Put the older version on top of newer data, which stays a version.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("restore", epilog=exits(EXITS["restore"]))(restore)


def restore(
    bucket: Annotated[str, typer.Option(help="A bucket of this deployment.")],
    prefix: Annotated[str, typer.Option(help="Prefix of the keys; '' for the whole bucket.")],
    as_of: AsOf,
    to: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Restore to this prefix of the bucket.", show_default=False)
    ] = None,
    overwrite_newer: Overwrite = False,
    delete_created: DeleteCreated = False,
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Restore a prefix as of a time, in place or elsewhere.

    Shows the plan. With --yes, or after a question, executes it. No version is deleted: an object that was deleted or
    overwritten gets its version of that time on top, as a new version. Objects that already have the content of that
    time are skipped, so the same command continues after an interruption, and shows afterwards that nothing is left.
    """
    from dr.cli.report import progress
    from dr.cli.restore_report import restore_dict, restore_text
    from dr.config.project import load_topology
    from dr.data.prefix_restore import Wanted, execute, plan
    from dr.data.regions import place_of_bucket
    from dr.names import CONTROL

    with errors_shown(as_json):
        at = parse_time(as_of, datetime.now(UTC))
        check_target(prefix, to)
        if to is not None and delete_created:
            raise Invalid(Problem("--delete-created", "with --to nothing is deleted", "leave one of them out"))
        place = place_of_bucket(load_topology(project, stack), bucket)
        records = place.buckets[CONTROL]
        wanted = Wanted(place.region, bucket, prefix, at, to, overwrite_newer, delete_created, records=records)
        with progress(not as_json) as report:
            found = plan(wanted, report)
        if not yes:
            print_result(as_json, lambda: restore_dict(found), lambda: restore_text(found))
            if not may_execute(found.refusal, found.to_write, as_json, "Restore now?"):
                raise typer.Exit(found.exit_code)
        with progress(not as_json) as report:
            found = execute(found, report)
    print_result(as_json, lambda: restore_dict(found), lambda: restore_text(found))
    raise typer.Exit(found.exit_code)


def may_execute(refusal: Exception | None, to_write: int, as_json: bool, question: str) -> bool:
    """Return whether a plan that was shown is to be executed: an operator at a terminal confirms it.

    Args:
        refusal: Why it cannot be executed.
        to_write: What it would write; 0 for nothing.
        as_json: Whether the output is JSON.
        question: What to ask.

    Raises:
        Refused: The plan cannot be executed.
    """
    from dr.errors import Refused

    if isinstance(refusal, Refused):
        if as_json:
            raise typer.Exit(refusal.exit_code)
        raise refusal
    if as_json or not to_write or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return typer.confirm(question, abort=True)


def parse_time(text: str, now: datetime) -> datetime:
    """Return a time. Pure.

    Args:
        text: ISO 8601 with a time zone.
        now: The time now.

    Raises:
        Invalid: It is not such a time, or is in the future.
    """
    example = "for example 2026-11-28T12:00:00Z"
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(Problem("--as-of", f'"{text}" is not a time of ISO 8601', example)) from error
    if at.tzinfo is None:
        raise Invalid(Problem("--as-of", f"{text} has no time zone", f"use {text}Z for UTC"))
    if at > now:
        raise Invalid(Problem("--as-of", f"{text} is in the future", f"now it is {now:%Y-%m-%dT%H:%M:%SZ}"))
    return at


def check_target(prefix: str, to: str | None) -> None:
    """Refuse a target that contains the restored prefix. Pure.

    Raises:
        Invalid: The target is that prefix or a part of it.
    """
    if to is None or not prefix.startswith(to):
        return
    fact = "it is the restored prefix itself" if to == prefix else f"the restored prefix {prefix} is below it"
    raise Invalid(Problem("--to", f"{to!r}: {fact}", "leave it out to restore in place, or use another prefix"))
