"""`python -m sandbox`: start it, look at it, break it, stop it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from dr.cli.command import Json, application, errors_shown
from dr.cli.layout import Paragraph, Rows, output, show
from dr.errors import Exit, Failed, Invalid, Problem, Refused
from sandbox import server_process
from sandbox.cli import fault_commands
from sandbox.cli.prompt import interactive
from sandbox.emulator_client import ask
from sandbox.engine.locks import running_engines
from sandbox.local import Local

app = application("sandbox", "Run a local AWS that the real Pulumi engine deploys to.")
app.add_typer(fault_commands.app, name="fault")
clock = typer.Typer(help="Show or advance the clock of the sandbox.")
app.add_typer(clock, name="clock")
CLOCK_STEP_SECONDS = 300
"""So much at once, so that the progress is seen."""


@app.command()
def up() -> None:
    """Start AWS on this machine, deploy both stacks to it, and send a real model across regions."""
    from dr.control.journal import Journal
    from dr.operations.steps import Runner
    from sandbox.cli import summary
    from sandbox.cli.progress import Progress
    from sandbox.up import World, measured, steps

    local = Local.from_environment()
    progress = Progress(output())
    with errors_shown(), local.locked():
        world = World(local)
        machine = measured(world)
        progress.console.print(str(machine), markup=False, soft_wrap=True)
        machine.require()
        try:
            Runner[World](Journal(local.journal), progress).execute("up", steps(), world)
        finally:
            progress.stop()
        show(summary.summary(world))


@app.command()
def down(
    force: Annotated[bool, typer.Option("--force", help="Stop the sandbox although an update runs.")] = False,
) -> None:
    """Stop the sandbox and discard its stacks. Installed programs are kept.

    Asks for confirmation while an operation of Pulumi runs; without a terminal it is refused then, unless --force is
    given.
    """
    from sandbox.up import forget

    local = Local.from_environment()
    with errors_shown():
        if not force:
            _confirm_stop(local)
    with errors_shown(), local.locked():
        stopped = server_process.stop(local)
        forget(local)
    typer.echo(
        "The sandbox is stopped and its stacks are discarded. `make up` creates them again."
        if stopped
        else "The sandbox was not running."
    )


@app.command()
def status(as_json: Json = False) -> None:
    """Say whether it runs, where, and what it holds. Exit code 1 where it does not run."""
    local = Local.from_environment()
    server = server_process.find(local)
    if server is None:
        typer.echo(json.dumps({"running": False}) if as_json else "The sandbox is not running: `make up` starts it.")
        raise typer.Exit(Exit.FAILED)
    with errors_shown(as_json):
        health = ask(server, "GET", "health")
        faults = ask(server, "GET", "faults")
    answer = {"running": True, **asdict(server), **health, "faults": faults}
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    copied = health["replication"]
    typer.echo(f"running   {server.endpoint}, pid {server.pid}, since {server.started}")
    typer.echo(f"buckets   {health['buckets']}")
    typer.echo(f"objects   {copied['copied']} replicated, {copied['pending']} pending, {copied['failed']} failed")
    for each in health["clusters"]:
        answers = each["endpoint"] if each["running"] else "lost with its region"
        typer.echo(f"cluster   {each['name']} in {each['region']}: {answers}")
    for each in faults:
        typer.echo(f"fault     {fault_commands.describe(each)}")


@app.command()
def env() -> None:
    """Print the variables that point everything at the sandbox: `eval "$(python -m sandbox env)"`."""
    with errors_shown():
        before = dict(os.environ)
        variables = _environment()
        for name in before.keys() - os.environ.keys():
            typer.echo(f"unset {name}")
        for name, value in variables.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def shell() -> None:
    """Open a shell in which pulumi, dr and boto3 work against the sandbox."""
    with errors_shown():
        _environment()
    typer.echo("pulumi, dr and python use the sandbox in this shell. `exit` leaves it.")
    shell = interactive(os.environ.get("SHELL") or "/bin/sh", Local.from_environment().folder / "shell")
    shell.write_files()
    subprocess.run(shell.command, env={**os.environ, **shell.variables}, check=False)


@app.command()
def dns(as_json: Json = False) -> None:
    """List the zone's records with their health checks, and which of them answers now."""
    from sandbox.cli.dns import records
    from sandbox.up import PRIMARY, World

    with errors_shown(as_json):
        world = _ready(World(Local.from_environment()))
        zone = world.ready_engine.outputs(PRIMARY).get("zone_id")
        if not zone:
            raise Invalid(Problem("the primary stack", "it is not deployed, so there is no zone", "`make up`"))
        found = records(zone)
    if as_json:
        typer.echo(json.dumps([asdict(record) for record in found], indent=2))
        return
    rows = []
    for record in found:
        check = "" if record.healthy is None else "healthy" if record.healthy else "unhealthy"
        weight = "" if record.weight is None else str(record.weight)
        answers = "yes" if record.answers else "no"
        rows.append(
            (answers, record.kind, str(record.ttl), weight, check, f"{record.name} -> {' '.join(record.values)}")
        )
    show(Rows(rows, ("answers", "type", "ttl", "weight", "check", "record")))


@clock.callback(invoke_without_command=True)
def clock_show(context: typer.Context) -> None:
    """The sandbox's time: the machine's, and what it was put forward by."""
    if context.invoked_subcommand is None:
        with errors_shown():
            typer.echo(ask(_running(), "GET", "clock")["now"])


@clock.command("advance")
def clock_advance(by: Annotated[str, typer.Argument(help="How far: 90s, 20m or 2h.")]) -> None:
    """Put it forward, through every minute between: schedules run, alarms are looked at, messages arrive."""
    from rich.progress import Progress as Bar

    with errors_shown():
        left = _duration(by)
        server = _running()
        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("minutes", total=left)
            while left > 0:
                step = min(left, CLOCK_STEP_SECONDS)
                answer = ask(server, "POST", "clock", {"advance": step})
                left -= step
                bar.advance(task, step)
        typer.echo(answer["now"])


class Name(StrEnum):
    """By which name a region is asked."""

    PUBLIC = "public"
    REGIONAL = "regional"


@app.command()
def predict(
    region: Annotated[str, typer.Option(help="The region, such as us-east-1.")],
    name: Annotated[Name, typer.Option(help="The region's own name, or the one clients use.")] = Name.REGIONAL,
    count: Annotated[int, typer.Option(min=1, help="How many requests, each on a connection of its own.")] = 1,
    as_json: Json = False,
) -> None:
    """Ask a region's address for predictions, and compare them with the model run here.

    Exit code 1 where a request failed or an answer is not the model's.
    """
    from sandbox.cli import predict as predictions
    from sandbox.up import World

    with errors_shown(as_json):
        world = _ready(World(Local.from_environment()))
        way = predictions.deployed_way(world, region, name is Name.PUBLIC)
        found = predictions.ask(way, region, world.buckets(region), count)
    failed = [each for each in found if each.error]
    equal = all(each.equal for each in found if not each.error)
    if as_json:
        told = [asdict(each) | {"equal": each.equal} for each in found]
        answer = {"region": region, "name": way.name, "failed": len(failed), "equal": equal, "requests": told}
        typer.echo(json.dumps(answer, indent=2))
    else:
        for each in found:
            said = each.error or f"{each.answer} by version {each.version}, the model run here: {each.local}"
            typer.echo(f"row {each.row}: {said}")
        same = "all answers are the model's" if equal else "an answer is not the model's"
        typer.echo(f"https://{way.name}: {len(found) - len(failed)} of {len(found)} answered; {same}")
    if failed or not equal:
        raise typer.Exit(Exit.FAILED)


@app.command()
def messages(as_json: Json = False) -> None:
    """What alarms said, and to whom."""
    with errors_shown():
        found = ask(_running(), "GET", "messages")["messages"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [
        (each["time"], f"{each['topic']} in {each['region']}", f"{each['endpoint']}: {each['subject'] or ''}")
        for each in found
    ]
    nothing = "No message was sent. The setting dr:alertAddresses has the addresses that alarms are sent to."
    show(Rows(rows, ("time", "topic", "message")) if found else Paragraph(nothing))


@app.command()
def manifests(
    region: Annotated[str, typer.Option(help="Whose cluster: us-east-1.")],
    as_json: Json = False,
) -> None:
    """Print every Kubernetes object that the stacks own in a region, as its API server has it."""
    from urllib3.exceptions import HTTPError

    from sandbox.clusters.api import RefusedError
    from sandbox.clusters.manifests import owned, read
    from sandbox.up import PRIMARY, RECOVERY, World

    with errors_shown(as_json):
        engine = _ready(World(Local.from_environment())).ready_engine
        wanted = [each for stack in (PRIMARY, RECOVERY) for each in owned(engine.resources(stack), region)]
        if not wanted:
            remedy = "deploy a tier that runs a cluster there: `make up`"
            raise Invalid(Problem(region, "no stack owns a Kubernetes object there", remedy))
        try:
            found, missing = read(wanted)
        except (RefusedError, HTTPError) as error:
            remedy = "`python -m sandbox status` says whether it runs"
            raise Failed(Problem(f"the cluster of {region}", str(error), remedy)) from error
        typer.echo(json.dumps(found, indent=2) if as_json else _documents(found))
        if missing:
            fact = "it is in the stack's state and not in the cluster"
            raise Failed(*(Problem(f"{each.type} {each.id}", fact, "`pulumi up --refresh`") for each in missing))


def _documents(objects: list[dict[str, Any]]) -> str:
    import yaml

    return str(yaml.safe_dump_all(objects, sort_keys=False, width=120)).rstrip()


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option(min=1, help="How many lines from the end.")] = 50,
) -> None:
    """Print what the emulator said."""
    path = Local.from_environment().log
    if not path.exists():
        typer.echo("There is no log: the sandbox was never started.")
        return
    with path.open(errors="replace") as file:
        typer.echo("".join(file.readlines()[-lines:]), nl=False)
        while follow:
            typer.echo(file.read(), nl=False)
            time.sleep(0.3)


def _confirm_stop(local: Local) -> None:
    """Ask before an engine loses the sandbox that it works on.

    Raises:
        Refused: an engine works on the stacks, and stopping was not confirmed.
    """
    pids = running_engines(local)
    if not pids:
        return
    listed = ", ".join(map(str, pids))
    fact = f"an operation of Pulumi runs on its stacks (pid {listed}), and fails if the sandbox stops now"
    if _asks():
        typer.echo(f"The sandbox: {fact}. Its stacks are discarded.", err=True)
        if typer.confirm("Stop the sandbox?", err=True):
            return
    raise Refused(Problem("the sandbox", fact, "wait until it has ended, or run `make down ARGS=--force`"))


def _asks() -> bool:
    return sys.stdin.isatty()


def _running() -> server_process.Server:
    """The emulator, where it runs."""
    return server_process.require(Local.from_environment())


def _ready(world: Any) -> Any:
    """A world whose sandbox runs; nothing is built or started for a look."""
    from sandbox.toolchain.programs import find_programs

    world.server = server_process.require(world.local)
    world.programs = find_programs()
    if world.programs is None:
        raise Invalid(Problem("the Pulumi engine", "it is not there", "`make up` gets it"))
    return world


def _environment() -> dict[str, str]:
    """The sandbox's variables, which are this process's own from here on."""
    from sandbox.up import World

    return dict(_ready(World(Local.from_environment())).ready_engine.variables)


def _duration(text: str) -> float:
    """Seconds of "90s", "20m" or "2h"."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found or int(found[1]) == 0:
        raise Invalid(
            Problem("clock advance", f'"{text}" is no time', "use 90s, 20m or 2h; the clock only goes forward")
        )
    return int(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2]]
