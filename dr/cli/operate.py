"""Commands of an incident: the operations, their journal, the runbook, and automation's off switch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result, version
from dr.cli.options import Project, Stack, Yes
from dr.errors import Exit, Invalid, Problem

if TYPE_CHECKING:
    from dr.evidence.recording import Recording

DONE = {
    Exit.OK: "The operation is done; or, without --yes, its plan can be executed.",
    Exit.FAILED: "A step failed. The same command resumes the run.",
    Exit.REFUSED: "A guard is not met, or another process operates; nothing was changed.",
}
EXITS = {
    "failover": DONE,
    "switchover": DONE,
    "failback": DONE,
    "journal": {Exit.REFUSED: "The recovery region has no such run, or no stack is deployed."},
    "runbook": {Exit.OK: "The runbook is printed."},
    "pause": {Exit.REFUSED: "No stack is deployed."},
    "resume": {Exit.REFUSED: "No stack is deployed."},
}
NO_ACCOUNT = "000000000000"
"""For what does not depend on the account, so that AWS is not called."""

Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the journal and other operators.")]
Accept = Annotated[list[str] | None, typer.Option(metavar="GUARD", help="Accept the finding of a guard, by its name.")]
Skip = Annotated[list[str] | None, typer.Option(metavar="STEP", help="Skip a step, by its name.")]
Force = Annotated[
    list[str] | None, typer.Option(metavar="STEP", help="Continue although a step's result is not confirmed.")
]
TakeOver = Annotated[str, typer.Option(metavar="HOLDER", help="Take the lease of this holder at once.")]
Loss = Annotated[
    int | None, typer.Option(metavar="SECONDS", help="Longest accepted loss of writes, in seconds.", min=0)
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for name, command in COMMANDS.items():
        app.command(name, epilog=exits(EXITS[name]))(command)


def failover(
    as_json: Json = False,
    yes: Yes = False,
    reason: Reason = "",
    accept: Accept = None,
    accept_data_loss: Loss = None,
    skip: Skip = None,
    force: Force = None,
    take_over: TakeOver = "",
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Fail over to the recovery region: the primary is lost.

    Shows the plan: guards, steps with expected durations, the critical path, and the data that would be lost. With
    --yes, or after a question, executes it. An interrupted run is resumed, on any machine. Calls nothing but the
    recovery region.
    """
    _operate("failover", as_json, yes, reason, accept, skip, force, take_over, project, stack, accept_data_loss)


def switchover(
    as_json: Json = False,
    yes: Yes = False,
    reason: Reason = "",
    accept: Accept = None,
    skip: Skip = None,
    force: Force = None,
    take_over: TakeOver = "",
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Move to the recovery region without losing data.

    The primary region is healthy. Brings capacity up first, and closes the primary region's record once the recovery
    region answers correctly.
    """
    _operate("switchover", as_json, yes, reason, accept, skip, force, take_over, project, stack)


def failback(
    as_json: Json = False,
    yes: Yes = False,
    reason: Reason = "",
    accept: Accept = None,
    skip: Skip = None,
    force: Force = None,
    take_over: TakeOver = "",
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Return to the primary region.

    Ends a failover or a switchover. Refused while the primary region is not healthy. Waits for replication, compares
    both regions object by object, and opens the primary region's record once it answers correctly.
    """
    _operate("failback", as_json, yes, reason, accept, skip, force, take_over, project, stack)


def _operate(
    name: str,
    as_json: bool,
    yes: bool,
    reason: str,
    accept: list[str] | None,
    skip: list[str] | None,
    force: list[str] | None,
    take_over: str,
    project: Path,
    stack: str,
    accept_data_loss: int | None = None,
) -> None:
    from dr.cli.operation_report import plan_dict, plan_text, run_dict, run_text
    from dr.cli.run_progress import RunProgress
    from dr.config.project import load_topology
    from dr.control.lease import holder
    from dr.evidence.recording import Recording
    from dr.operations import prechecks
    from dr.operations.operation import OPERATIONS, execute, plan
    from dr.operations.scene import Options, read_scene
    from dr.operations.step_runner import Decision, Intervention, new_run

    operation = OPERATIONS[name]
    with errors_shown(as_json):
        if (yes or skip or force) and not reason:
            raise Invalid(Problem("--reason", "it is empty", 'give the reason: --reason "us-east-1 is lost"'))
        known = {guard.name for guard in operation.guards if guard.acceptable}
        if unknown := sorted(set(accept or ()) - known):
            remedy = f"use {', '.join(sorted(known))}"
            raise Invalid(Problem("--accept", f"{', '.join(unknown)} cannot be accepted by {name}", remedy))
        loss = None if accept_data_loss is None else timedelta(seconds=accept_data_loss)
        options = Options(reason, new_run(), frozenset(accept or ()), loss)
        scene = read_scene(load_topology(project, stack), options)
        made = plan(scene, operation)
        if not yes:
            refusal = None if made.resumes else prechecks.refusal(scene, operation.guards, made.findings)
            print_result(as_json, lambda: plan_dict(made, refusal), lambda: plan_text(made))
            if refusal and as_json:
                raise typer.Exit(refusal.exit_code)
            if refusal:
                raise refusal
            if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
                return
            typer.confirm(f"Execute this {name} now?", abort=True)
        decisions = {
            step: Decision(kind, holder(), reason)
            for kind, names in ((Intervention.SKIP, skip), (Intervention.FORCE, force))
            for step in names or ()
        }
        expected = {each.step.name: each.expected for each in made.steps}
        recording = Recording(scene, made.run, {"dr": version()})
        try:
            with recording, RunProgress(expected, quiet=as_json) as watcher:
                outcomes = execute(scene, operation, made, watcher, decisions, take_over)
        except BaseException:
            if not as_json:
                _print_report(recording, failed=True)
            raise
    result = {"report": str(recording.page) if recording.page else None}
    print_result(as_json, lambda: run_dict(made, outcomes) | result, lambda: run_text(made, outcomes))
    if not as_json:
        _print_report(recording)


def _print_report(recording: Recording, failed: bool = False) -> None:
    """Print where the report of an operation is, or why there is none."""
    if recording.page:
        typer.echo(f"Report: {recording.page}", err=failed)
    elif recording.problem:
        typer.echo(f"Report: not written: {recording.problem}", err=True)


def journal(
    run: Annotated[str, typer.Argument(help="ID of a run; by default the newest.")] = "",
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Print the journal of a run.

    It is in the recovery region, and has every step, decision and error with its time.
    """
    from dr.cli.operation_report import entry_dict, journal_text
    from dr.config.project import load_topology
    from dr.control import shared_journal
    from dr.errors import Refused

    with errors_shown(as_json):
        found = shared_journal.of_topology(load_topology(project, stack))
        bucket, runs = found.bucket, found.runs()
        if not runs or (run and run not in runs):
            fact = f"s3://{bucket} has no run {run}" if run else f"s3://{bucket} has no run: nothing was ever operated"
            remedy = f"the newest are {', '.join(runs[-3:])}" if runs else "`dr failover` shows a plan"
            raise Refused(Problem("journal", fact, remedy))
        entries = list(found.entries(run or runs[-1]))
    print_result(as_json, lambda: [entry_dict(each) for each in entries], lambda: journal_text(entries))


def runbook(as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """Print the runbook for the loss of a region.

    It has what to type, and what each step does. It is made of the steps that the commands run, and of the
    configuration. AWS is not called. Each cluster has the same text in the ConfigMap dr-runbook.
    """
    from dr.config.project import load_settings
    from dr.operations.runbook import render

    with errors_shown(as_json):
        text = render(load_settings(project, stack).topology(NO_ACCOUNT))
    if as_json:
        print_result(as_json, lambda: {"runbook": text}, lambda: text)
    else:
        typer.echo(text, nl=False)


def pause(reason: Reason, as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """Switch automation off. Operators can still do everything."""
    _set_automation(reason, as_json, project, stack)


def resume(as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """Switch automation on again after `dr pause`."""
    _set_automation("", as_json, project, stack)


def _set_automation(reason: str, as_json: bool, project: Path, stack: str) -> None:
    from dataclasses import asdict, replace

    from dr.config.project import load_topology
    from dr.control.control_bucket import read_control
    from dr.control.state_store import StateStore
    from dr.topology.topology import Role

    with errors_shown(as_json):
        control = read_control(load_topology(project, stack), Role.RECOVERY)
        store = StateStore(control.region, control.bucket)
        state = store.update(
            lambda stored: replace(stored.state, automation=replace(stored.state.automation, paused=reason))
        )
    found = state.automation
    text = f"automation is paused: {found.paused}" if found.paused else "automation is not paused"
    armed = "" if found.armed else "; it is disarmed until failback has closed the incident"
    print_result(as_json, lambda: asdict(found), lambda: f"{text}{armed}")


COMMANDS: dict[str, Callable[..., None]] = {
    "failover": failover,
    "switchover": switchover,
    "failback": failback,
    "journal": journal,
    "runbook": runbook,
    "pause": pause,
    "resume": resume,
}
