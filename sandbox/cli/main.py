"""The `python -m sandbox` command: start and stop the sandbox, inspect it and inject faults."""

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
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dr.cli.command import Json, application, errors_shown
from dr.cli.layout import Paragraph, Rows, output, show
from dr.errors import Exit, Failed, Invalid, Problem, Refused
from sandbox import server_process
from sandbox.cli import fault_commands
from sandbox.emulator_client import ask
from sandbox.engine.locks import running_engines
from sandbox.local import Local

app = application("sandbox", "Run a local AWS that the real Pulumi engine deploys to.")
app.add_typer(fault_commands.app, name="fault")
clock = typer.Typer(help="Show, advance or speed up the clock of the sandbox.")
app.add_typer(clock, name="clock")
CLOCK_STEP_SECONDS = 300
"""Step in seconds by which the clock advances; the progress bar moves after each step."""


@app.command()
def up() -> None:
    """Start the sandbox and deploy both stacks to it.

    Publishes a small model set in the primary region and verifies its replica in the recovery region. Steps that are
    done are skipped.
    """
    from dr.control.journal import LocalJournal
    from dr.operations.step_runner import StepRunner
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
            StepRunner[World](LocalJournal(local.journal), progress).execute("up", steps(), world)
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
    """Show the state of the sandbox.

    Exit code 1 if it does not run.
    """
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
    typer.echo(f"dns       {server.resolver}")
    typer.echo(f"buckets   {health['buckets']}")
    typer.echo(f"objects   {copied['copied']} replicated, {copied['pending']} pending, {copied['failed']} failed")
    for each in health["clusters"]:
        answers = each["endpoint"] if each["running"] else "lost with its region"
        typer.echo(f"cluster   {each['name']} in {each['region']}: {answers}")
    for each in faults:
        typer.echo(f"fault     {fault_commands.describe(each)}")


@app.command()
def env() -> None:
    """Print the environment variables of the sandbox.

    For a shell: `eval "$(python -m sandbox env)"`.
    """
    with errors_shown():
        before = dict(os.environ)
        variables = _environment()
        for name in before.keys() - os.environ.keys():
            typer.echo(f"unset {name}")
        for name, value in variables.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def shell() -> None:
    """Open a shell in which pulumi, dr and boto3 use the sandbox."""
    from sandbox.cli.prompt import interactive

    with errors_shown():
        variables = _environment()
    typer.echo("pulumi, dr and python use the sandbox in this shell. `exit` leaves it.")
    folder = Local.from_environment().folder / "shell"
    shell = interactive(os.environ.get("SHELL") or "/bin/sh", folder, variables)
    shell.write_files()
    subprocess.run(shell.command, env={**os.environ, **shell.variables}, check=False)


@app.command()
def dns(as_json: Json = False) -> None:
    """List DNS records with their health, and which of them answer."""
    from sandbox.cli.dns import records
    from sandbox.up import PRIMARY, World

    with errors_shown(as_json):
        world = _ready(World(Local.from_environment()))
        zone = world.ready_engine.outputs(PRIMARY).get("zone_id")
        if not zone:
            raise Invalid(Problem("the primary stack", "it is not deployed, so it has no zone", "`make up`"))
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
    """Show the time in the sandbox."""
    if context.invoked_subcommand is None:
        with errors_shown():
            typer.echo(ask(_running(), "GET", "clock")["now"])


@clock.command("advance")
def clock_advance(by: Annotated[str, typer.Argument(help="The time to advance by: 90s, 20m or 2h.")]) -> None:
    """Advance the clock, minute by minute.

    In each minute schedules run, alarms are evaluated and messages are sent.
    """
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


@clock.command("speed")
def clock_speed(
    speed: Annotated[float, typer.Argument(help="Seconds of the clock in a second, from 1 to 60.")],
) -> None:
    """Set the speed of the clock."""
    with errors_shown():
        answer = ask(_running(), "POST", "clock", {"speed": speed})
    typer.echo(f"{answer['now']}, {answer['speed']:g} s in a second")


class Name(StrEnum):
    """DNS names that requests can be sent to."""

    PUBLIC = "public"
    REGIONAL = "regional"


@app.command()
def predict(
    region: Annotated[str, typer.Option(help="The region, such as us-east-1.")],
    name: Annotated[Name, typer.Option(help="The DNS name to use: regional or public.")] = Name.REGIONAL,
    count: Annotated[int, typer.Option(min=1, help="The number of requests, each on a new connection.")] = 1,
    as_json: Json = False,
) -> None:
    """Request predictions from a region, and compare them with the local model.

    Exit code 1 if a request failed or an answer differs from the local model's.
    """
    from sandbox.cli import predict as predictions
    from sandbox.up import World

    with errors_shown(as_json):
        world = _ready(World(Local.from_environment()))
        endpoint = predictions.deployed_endpoint(world, region, name is Name.PUBLIC)
        found = predictions.ask(endpoint, region, world.buckets(region), count)
    failed = [each for each in found if each.error]
    equal = all(each.equal for each in found if not each.error)
    if as_json:
        requests = [asdict(each) | {"equal": each.equal} for each in found]
        answer = {"region": region, "name": endpoint.name, "failed": len(failed), "equal": equal, "requests": requests}
        typer.echo(json.dumps(answer, indent=2))
    else:
        for each in found:
            said = each.error or f"{each.answer} by version {each.version}, the model run here: {each.local}"
            typer.echo(f"row {each.row}: {said}")
        same = "all answers are the model's" if equal else "an answer is not the model's"
        typer.echo(f"https://{endpoint.name}: {len(found) - len(failed)} of {len(found)} answered; {same}")
    if failed or not equal:
        raise typer.Exit(Exit.FAILED)


@app.command()
def client(
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Requests a second.")],
    out: Annotated[Path, typer.Option(help="The file for the log: a JSON line for each request. It must not exist.")],
    seconds: Annotated[float | None, typer.Option(min=1, help="The duration; default: until SIGTERM.")] = None,
    resolvers: Annotated[
        int, typer.Option(min=1, help="The number of client populations, each with a caching resolver.")
    ] = 8,
    overshoot: Annotated[
        float, typer.Option(min=0, help="Seconds beyond its TTL that a resolver keeps an answer.")
    ] = 0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request that gets no answer fails.")] = 5,
    as_json: Json = False,
) -> None:
    """Send inference requests at a fixed rate by the public name, and log each answer.

    Resolves the name with caching resolvers, which keep answers by the sandbox's clock, and connects to the address
    that DNS gave. A slow answer does not delay the next request. Each answer is compared with the published model's.
    After SIGTERM it sends no more, waits for the answers to what it sent, and logs them.
    """
    from sandbox.cli import client as population
    from sandbox.up import World

    with errors_shown(as_json):
        world = _ready(World(Local.from_environment()))
        plan = population.Plan(rate, seconds, out, resolvers, overshoot, timeout)
        found = population.run(world, world.server, plan)
    if as_json:
        typer.echo(json.dumps({"out": str(out), **asdict(found)}, indent=2))
        return
    regions = ", ".join(f"{count} by {region or 'an unknown region'}" for region, count in found.regions.items())
    typer.echo(f"{found.sent} requests: {found.failed} failed, {found.wrong} wrong, {found.unknown} not compared")
    typer.echo(f"answered: {regions or 'none'}. Log: {out}")


@app.command()
def messages(as_json: Json = False) -> None:
    """List messages that alarms sent, with their recipients."""
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
    region: Annotated[str, typer.Option(help="The region of the cluster, such as us-east-1.")],
    as_json: Json = False,
) -> None:
    """Print the Kubernetes objects that the stacks own in a region.

    Reads them from the API server of the region's cluster.
    """
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
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Continue as the log grows.")] = False,
    lines: Annotated[int, typer.Option(min=1, help="The number of lines from the end.")] = 50,
) -> None:
    """Print the log of the emulator."""
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
    """Ask for confirmation if a Pulumi operation is running.

    Raises:
        Refused: A Pulumi operation is running and stopping was not confirmed.
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
    """Return the running emulator. Raises `Refused` if it is not running."""
    return server_process.require(Local.from_environment())


def _ready(world: Any) -> Any:
    """Add the running emulator and the built programs to `world` and return it; start and build nothing.

    Raises:
        Refused: The emulator is not running.
        Invalid: The Pulumi engine is not built.
    """
    from sandbox.toolchain.programs import find_programs

    world.server = server_process.require(world.local)
    world.programs = find_programs()
    if world.programs is None:
        raise Invalid(Problem("the Pulumi engine", "it is not there", "`make up` gets it"))
    return world


def _environment() -> dict[str, str]:
    """Set the sandbox's variables in this process, and return them."""
    from sandbox.up import World

    return dict(_ready(World(Local.from_environment())).ready_engine.variables)


def _duration(text: str) -> float:
    """Return the seconds of a duration such as "90s", "20m" or "2h"."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found or int(found[1]) == 0:
        raise Invalid(
            Problem("clock advance", f'"{text}" is not a valid duration', "use 90s, 20m or 2h; the clock only advances")
        )
    return int(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2]]
