"""The `dr` command: one short function a command."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Annotated

import typer

from dr.cli import (
    automate,
    backfill,
    check_command,
    drill,
    evidence,
    export_database,
    operate,
    registry,
    restore,
    restore_volume,
    rotate_secret,
    sets,
    supply,
)
from dr.cli.command import Json, application, errors_shown, exits, print_result, version
from dr.cli.command import run as run_application
from dr.cli.options import Project, Stack
from dr.errors import Exit, Failed, Invalid, Problem
from dr.topology.topology import Role

app = application(
    "dr",
    "Keep inference available when an AWS region is lost: check what is deployed, drill, fail over and fail back.",
    completion=True,
)

EXITS = {
    "status": {
        Exit.OK: "Every measured objective is met.",
        Exit.FAILED: "An objective is missed, or an operation failed.",
        Exit.REFUSED: "No stack is deployed.",
        Exit.UNKNOWN: "An objective could not be measured, and none is known to be missed; or neither region answers.",
    },
    "contract": {Exit.FAILED: "The half of that role was never written, or neither region answers."},
    "rollout": {
        Exit.OK: "The rollout is complete, or no replica is to run.",
        Exit.FAILED: "A rollout is stuck, or there is no Deployment.",
        Exit.REFUSED: "No stack is deployed.",
        Exit.UNKNOWN: "A rollout is in progress, or its state could not be read.",
    },
    "preflight": {
        Exit.OK: "Every check is met.",
        Exit.FAILED: "A check is missed; its fix is shown.",
        Exit.UNKNOWN: "A check could not be made; none is known to be missed.",
    },
    "runner": {
        Exit.OK: "The command ended with exit code 0.",
        Exit.FAILED: "The command failed, or the runner could not run it.",
        Exit.REFUSED: "The region has no runner.",
    },
    "adopt": {
        Exit.OK: "Nothing is pending; or the pending operations are listed; or, with --yes, adopted.",
        Exit.FAILED: "A pending operation could not be looked up; the state was not changed.",
    },
    **check_command.EXITS,
    **operate.EXITS,
    **automate.EXITS,
    **drill.EXITS,
    **evidence.EXITS,
    **export_database.EXITS,
    **registry.EXITS,
    **restore.EXITS,
    **restore_volume.EXITS,
    **rotate_secret.EXITS,
    **sets.EXITS,
    **backfill.EXITS,
    **supply.EXITS,
    "eks-token": {Exit.FAILED: "There are no AWS credentials."},
}
"""What exit codes mean, by command, where that is more specific than `dr.cli.command.COMMON_EXITS`."""

WATCH_SECONDS = 5.0
"""Pause between two reports of `dr status --watch`, in seconds."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dr {version()}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of `dr` itself."""


@app.command(epilog=exits(EXITS["status"]))
def status(
    seconds: Annotated[
        float | None,
        typer.Argument(
            min=1,
            metavar="SECONDS",
            help="With --watch: seconds between two reports, 5 if not given.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Repeat the report until Ctrl-C.")] = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Show which region serves, and how each objective is met.

    The recovery region measures which region serves, and since when. Shows the tier, the open incident, each objective
    with its measured value, and the alarms that fire. Ends within 5 seconds while a region does not answer. What such a
    region answered last is shown with its time, from a file in .local/cache/status/ of the project, and never counts as
    met.

    With --watch, a terminal shows the newest report; elsewhere each change is a line, and with --json each report is a
    JSON document in one line. Ctrl-C ends with the exit code of the last report.
    """
    from dr.config.project import load_settings, project_folder
    from dr.operations.status import run

    with errors_shown(as_json):
        if seconds is not None and not watch:
            raise Invalid(Problem("seconds", f"{seconds:g} is valid with --watch only", "add --watch"))
        settings, folder = load_settings(project, stack), project_folder(project)
        if watch:
            from dr.cli.watch import watch as repeat

            raise typer.Exit(repeat(lambda: run(settings, folder, stack), seconds or WATCH_SECONDS, as_json))
        report = run(settings, folder, stack)
    from dr.cli.status_report import status_dict, status_text

    print_result(as_json, lambda: status_dict(report), lambda: status_text(report))
    raise typer.Exit(report.exit_code)


@app.command(epilog=exits(EXITS["contract"]))
def contract(
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
    role: Annotated[Role | None, typer.Option(help="Print the half of this role only: primary or recovery.")] = None,
) -> None:
    """Print the contract: names and ids of each stack.

    Reads it from the control bucket of the recovery region; from that of the primary region if the former does not
    answer.
    """
    from dr.clients import Unreachable
    from dr.config.project import load_topology
    from dr.control.control_bucket import read_control

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        try:
            found = read_control(topology, Role.RECOVERY)
        except Unreachable:
            found = read_control(topology, Role.PRIMARY)
        source = f"s3://{found.bucket} ({found.region})"
        if role and role not in found.halves:
            remedy = "`pulumi up` of the stack that owns it; if it is deployed, wait for replication"
            raise Failed(Problem(f"contract of {role}", f"{source} does not have it", remedy))
        halves = [half for each, half in found.halves.items() if role in (None, each)]
    from dr.cli.report import contract_text

    data = {str(half.role): half.to_dict() for half in halves}
    print_result(as_json, lambda: data, lambda: contract_text(halves, source))


@app.command(epilog=exits(EXITS["rollout"]))
def rollout(
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
    role: Annotated[Role | None, typer.Option(help="Show the region of this role only: primary or recovery.")] = None,
) -> None:
    """Show the state of the rollout of inference in each region.

    A rollout that is stuck is shown with its causes, and with a fix for each.
    """
    from dr.config.project import load_topology
    from dr.operations.rollout import exit_code, run

    with errors_shown(as_json):
        found = run(load_topology(project, stack), role)
    from dr.cli.report import rollouts_dict, rollouts_text

    print_result(as_json, lambda: rollouts_dict(found), lambda: rollouts_text(found))
    raise typer.Exit(exit_code(found))


@app.command(epilog=exits(EXITS["preflight"]))
def preflight(
    as_json: Json = False,
    project: Project = Path(),
    stack: Annotated[str, typer.Option("--stack", "-s", envvar="DR_STACK", help="The stack to check.")] = "dr",
) -> None:
    """Check whether a stack can be deployed, without Pulumi.

    Runs all checks at the same time: configuration, account, regions, quotas, credentials, state backend and secrets
    provider, and access to the cluster. The program runs the same checks. Nothing is changed.
    """
    from dr.operations.preflight import run

    with errors_shown(as_json):
        report = run(project, stack)
    from dr.cli.report import preflight_dict, preflight_text

    print_result(as_json, lambda: preflight_dict(report), lambda: preflight_text(report))
    raise typer.Exit(report.exit_code)


@app.command(epilog=exits(EXITS["runner"]))
def runner(
    command: Annotated[str, typer.Option("--command", "-c", help="The shell command, in quotes.")],
    as_json: Json = False,
    project: Project = Path(),
    stack: Annotated[str, typer.Option("--stack", "-s", envvar="DR_STACK", help="The stack of the region.")] = "dr",
) -> None:
    """Run a command inside the VPC of a stack's region.

    A private cluster API answers there. Uploads this checkout to the region's control bucket, starts the runner that
    `dr:runner` creates, waits until the command ends, and prints its log.
    """
    from dr.config.project import load_topology, project_folder
    from dr.operations.runner import run

    with errors_shown(as_json):
        done = run(load_topology(project, stack), project_folder(project), command)
    if as_json:
        typer.echo(json.dumps({"build": done.build, "status": done.status, "log": list(done.log)}, indent=2))
    else:
        for line in done.log:
            typer.echo(line)
        typer.echo(f"{done.build}: {done.status}", err=True)
    raise typer.Exit(Exit.OK if done.status == "SUCCEEDED" else Exit.FAILED)


@app.command(epilog=exits(EXITS["adopt"]))
def adopt(
    as_json: Json = False,
    project: Project = Path(),
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack with the interrupted `pulumi up`.")] = "dr",
    yes: Annotated[bool, typer.Option("--yes", help="Write the result into the stack's state.")] = False,
) -> None:
    """List or adopt what an interrupted update left pending.

    Looks up in AWS and in the clusters which of the pending resources exist, and with --yes writes those into the
    stack's state. Run `pulumi cancel` first if the stack is still locked, and `pulumi up` afterwards.
    """
    from dr.cli.report import adopted_list, adopted_text, progress
    from dr.config.project import project_folder
    from dr.operations.adopt import run
    from dr.operations.pulumi_cli import PulumiStack

    with errors_shown(as_json), progress(not as_json) as report:
        found = run(PulumiStack(project_folder(project), stack), report, apply=yes)
    data = {"stack": stack, "written": yes and bool(found), "found": adopted_list(found)}
    print_result(as_json, lambda: data, lambda: adopted_text(stack, found, yes))


check_command.add_to(app)
operate.add_to(app)
automate.add_to(app)
drill.add_to(app)
evidence.add_to(app)
restore.add_to(app)
restore_volume.add_to(app)
export_database.add_to(app)
rotate_secret.add_to(app)
backfill.add_to(app)
app.add_typer(registry.app)
app.add_typer(sets.app)
app.add_typer(supply.app)


@app.command("eks-token", epilog=exits(EXITS["eks-token"]))
def eks_token(
    cluster_name: Annotated[str, typer.Option(help="The name of the cluster.")],
    region: Annotated[str, typer.Option(help="The region of the cluster.")],
) -> None:
    """Print a token for the API of an EKS cluster.

    kubectl and Pulumi call it, as the exec plugin of a kubeconfig. The token is signed with the AWS credentials of the
    environment, is valid for 14 minutes, and is not stored.
    """
    from dr.clusters.eks_token import eks_token

    with errors_shown():
        typer.echo(json.dumps(eks_token(cluster_name, region)))


def run() -> None:
    """Run `dr`."""
    # Imports allocate hundreds of thousands of objects that live until the end: collections in between find nothing.
    gc.set_threshold(100_000)
    run_application(app, "dr")
