"""The `dr` command: arguments, exit codes, and one short function a command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dr.errors import DrError, Exit, Failed, Problem
from dr.topology.topology import Role

app = typer.Typer(
    name="dr",
    help="Plan, check, rehearse and run the recovery of inference in another AWS region.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Project = Annotated[Path, typer.Option(envvar="DR_PROJECT", help="The folder that holds Pulumi.yaml.")]
Stack = Annotated[
    str, typer.Option("--stack", "-s", envvar="DR_STACK", help="The recovery stack: its file holds the tier.")
]


@contextmanager
def errors_shown(as_json: bool = False) -> Iterator[None]:
    """An error of this project is printed as one, and ends the command with its exit code."""
    try:
        yield
    except DrError as error:
        if as_json:
            from dr.cli.report import error_dict

            typer.echo(json.dumps(error_dict(error), indent=2))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error


@app.callback()
def main() -> None:
    """Keep inference alive when a whole AWS region is lost."""


@app.command()
def status(as_json: Json = False, project: Project = Path(), stack: Stack = "dr") -> None:
    """Show what is deployed, what it promises, and what can be seen of it now.

    Exit code 0: all objectives that can be seen are met. 1: one is missed. 4: one could not be measured.
    """

    from dr.config.project import load_topology
    from dr.operations.status import run

    with errors_shown(as_json):
        report = run(load_topology(project, stack))
    from dr.cli.report import show, status_dict, status_text

    if as_json:
        typer.echo(json.dumps(status_dict(report), indent=2))
    else:
        show(status_text(report))
    raise typer.Exit(report.exit_code)


@app.command()
def contract(
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
    role: Annotated[Role | None, typer.Option(help="One half only.")] = None,
) -> None:
    """Print what both stacks made, as read from the control bucket of a region that answers."""

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
    if as_json:
        typer.echo(json.dumps({str(half.role): half.to_dict() for half in halves}, indent=2))
        return
    from dr.cli.report import contract_text, show

    show(contract_text(halves, source))


@app.command()
def rollout(
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
    role: Annotated[Role | None, typer.Option(help="The region of that role only.")] = None,
) -> None:
    """Show whether the rollout of inference is complete in each region, and what holds it up.

    Exit code 0: complete, or no replica is to run. 1: stuck. 4: in progress, or it could not be read.
    """
    from dr.config.project import load_topology
    from dr.operations.rollout import exit_code, run

    with errors_shown(as_json):
        found = run(load_topology(project, stack), role)
    from dr.cli.report import rollouts_dict, rollouts_text, show

    if as_json:
        typer.echo(json.dumps(rollouts_dict(found), indent=2))
    else:
        show(rollouts_text(found))
    raise typer.Exit(exit_code(found))


@app.command()
def adopt(
    as_json: Json = False,
    project: Project = Path(),
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack whose `pulumi up` was killed.")] = "dr",
    yes: Annotated[bool, typer.Option("--yes", help="Write it into the stack's state; else it is only shown.")] = False,
) -> None:
    """Hand Pulumi what a killed `pulumi up` had begun to make, so that the next one goes on from there.

    Looks up every change that was begun and not ended. Without --yes nothing is changed.
    """
    from dr.cli.report import adopted_list, adopted_text, progress, show
    from dr.operations.adopt import Engine, run

    with errors_shown(as_json), progress(not as_json) as report:
        found = run(Engine(project, stack), report, apply=yes)
    if as_json:
        typer.echo(json.dumps({"stack": stack, "written": yes and bool(found), "found": adopted_list(found)}, indent=2))
    else:
        show(adopted_text(stack, found, yes))


@app.command("eks-token")
def eks_token(
    cluster_name: Annotated[str, typer.Option(help="The cluster's name.")],
    region: Annotated[str, typer.Option(help="Its region.")],
) -> None:
    """Print a token for a cluster's API, as a kubeconfig's exec plugin: what kubectl and Pulumi call for each session.

    It is signed with the AWS credentials of the environment, good for 14 minutes, and written nowhere.
    """
    from dr.clusters.eks_token import eks_token

    with errors_shown():
        typer.echo(json.dumps(eks_token(cluster_name, region)))


def run() -> None:
    """The entry of `python -m dr`."""
    try:
        app(prog_name="dr")
    except KeyboardInterrupt:
        sys.exit(int(Exit.FAILED))
