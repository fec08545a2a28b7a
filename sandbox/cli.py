"""`python -m sandbox`: start it, look at it, break it, stop it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dr.cli import Json, errors_shown
from dr.errors import Invalid, Problem
from sandbox import server_process
from sandbox.emulator_client import ask
from sandbox.local import Local

app = typer.Typer(
    name="sandbox",
    help="A local AWS that the real Pulumi engine deploys to.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
fault = typer.Typer(help="Break something, see what is broken, mend it.", no_args_is_help=True)
app.add_typer(fault, name="fault")
clock = typer.Typer(help="The sandbox's clock.")
app.add_typer(clock, name="clock")
CLOCK_STEP_SECONDS = 300
"""So much at once, so that the progress is seen."""


@app.command()
def up() -> None:
    """Start AWS on this machine, deploy both stacks to it, and send a real model across regions."""
    from dr.journal import Journal
    from dr.steps import Runner
    from sandbox import summary
    from sandbox.progress import Progress
    from sandbox.up import World, steps

    console = Console() if Console().is_terminal else Console(width=160)
    local = Local.from_environment()
    progress = Progress(console)
    with errors_shown(), local.locked():
        world = World(local)
        try:
            Runner[World](Journal(local.journal), progress).execute("up", steps(), world)
        finally:
            progress.stop()
        console.print(summary.show(world), highlight=False)


@app.command()
def down() -> None:
    """Stop it. Local stacks end with it; what was installed stays, in the ignored folder."""
    from sandbox.up import forget

    local = Local.from_environment()
    with errors_shown(), local.locked():
        stopped = server_process.stop(local)
        forget(local)
    typer.echo(
        "The sandbox is stopped, and its stacks with it: `make up` begins anew."
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
        raise typer.Exit(1)
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
    for each in faults:
        typer.echo(f"fault     {_describe(each)}")


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
    typer.echo("pulumi, dr and python work against the sandbox here; `exit` leaves.")
    subprocess.run([os.environ.get("SHELL") or "/bin/sh"], check=False)


@app.command()
def dns(as_json: Json = False) -> None:
    """List the zone's records with their health checks, and which of them answers now."""
    from dr.report import show
    from sandbox.dns import records
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
    table = Table("answers", "name", "type", "ttl", "weight", "check", "value", box=None, padding=(0, 2, 0, 0))
    for record in found:
        check = "" if record.healthy is None else "healthy" if record.healthy else "unhealthy"
        weight = "" if record.weight is None else str(record.weight)
        shown = (record.name, record.kind, str(record.ttl), weight, check, " ".join(record.values))
        table.add_row("yes" if record.answers else "", *shown)
    show(table)


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


@app.command()
def messages(as_json: Json = False) -> None:
    """What alarms said, and to whom."""
    from dr.report import show

    with errors_shown():
        found = ask(_running(), "GET", "messages")["messages"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("time", "topic", "told", "said", box=None)
    for each in found:
        table.add_row(each["time"], f"{each['topic']} in {each['region']}", each["endpoint"], each["subject"] or "")
    show(table if found else "Nobody was told anything; dr:alertAddresses names who would be.")


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


@fault.command("region")
def fault_region(
    region: Annotated[str, typer.Argument(help="The region, such as us-east-1.")],
    unreachable: Annotated[bool, typer.Option("--unreachable", help="Connections fail, as in a dead region.")] = False,
    with_global: Annotated[bool, typer.Option("--with-global", help="IAM and Route 53 control planes too.")] = False,
    slow: Annotated[str, typer.Option(help="Every answer takes this much longer: 2s, 500ms.")] = "",
    heal: Annotated[bool, typer.Option("--heal", help="The region is well again.")] = False,
) -> None:
    """Take a region away, slow it, or give it back."""
    with errors_shown():
        if unreachable + bool(slow) + heal != 1:
            raise Invalid(
                Problem("fault region", "it takes exactly one of these", "--unreachable, --slow TIME or --heal")
            )
        if with_global and not unreachable:
            raise Invalid(Problem("--with-global", "it goes with --unreachable", "add --unreachable"))
        _known_region(region)
        server = server_process.require(Local.from_environment())
        if heal:
            _show(ask(server, "DELETE", f"faults?region={region}"))
            return
        content: dict[str, Any] = {"kind": "region", "region": region}
        content |= {"slow": _seconds(slow)} if slow else {"unreachable": True, "with_global": with_global}
        _show(ask(server, "POST", "faults", content))


@fault.command("operation")
def fault_operation(
    operation: Annotated[str, typer.Argument(help="service:Operation, such as s3:PutObject.")],
    error: Annotated[str, typer.Option(help="The AWS error code to answer with, such as SlowDown.")],
    times: Annotated[int, typer.Option(min=1, help="How many calls fail.")] = 1,
    region: Annotated[str | None, typer.Option(help="Only in this region.")] = None,
) -> None:
    """Let the next calls of one operation fail."""
    with errors_shown():
        if region:
            _known_region(region)
        server = server_process.require(Local.from_environment())
        content = {"kind": "operation", "operation": operation, "error": error, "times": times, "region": region}
        _show(ask(server, "POST", "faults", content))


@fault.command("list")
def fault_list(as_json: Json = False) -> None:
    """Say what is broken."""
    with errors_shown(as_json):
        faults = ask(server_process.require(Local.from_environment()), "GET", "faults")
    if as_json:
        typer.echo(json.dumps(faults, indent=2))
    else:
        _show(faults)


@fault.command("clear")
def fault_clear() -> None:
    """Mend everything."""
    with errors_shown():
        _show(ask(server_process.require(Local.from_environment()), "DELETE", "faults"))


def _show(faults: list[dict[str, Any]]) -> None:
    for each in faults:
        typer.echo(_describe(each))
    if not faults:
        typer.echo("Nothing is broken.")


def _describe(each: dict[str, Any]) -> str:
    if each["kind"] == "operation":
        where = f" in {each['region']}" if each.get("region") else ""
        return f"{each['operation']} answers {each['error']}{where}, {each['times']} more times"
    how = "is unreachable" if each.get("unreachable") else f"is {each['slow']:g} s slower"
    return f"{each['region']} {how}{', global control planes too' if each.get('with_global') else ''}"


def _running() -> server_process.Server:
    """The emulator, where it runs."""
    return server_process.require(Local.from_environment())


def _ready(world: Any) -> Any:
    """A world whose sandbox runs; nothing is built or started for a look."""
    from sandbox.toolchain import find_pulumi

    world.server = server_process.require(world.local)
    world.toolchain = find_pulumi()
    if world.toolchain is None:
        raise Invalid(Problem("the Pulumi engine", "it is not there", "`make up` gets it"))
    return world


def _environment() -> dict[str, str]:
    """The sandbox's variables, which are this process's own from here on."""
    from sandbox.up import World

    return dict(_ready(World(Local.from_environment())).ready_engine.variables)


def _known_region(region: str) -> None:
    from dr.setting_types import known_regions, nearest

    if region not in known_regions():
        hint = nearest(region, known_regions(), "use a name such as us-east-1")
        raise Invalid(Problem("region", f'"{region}" is no AWS region', hint))


def _duration(text: str) -> float:
    """Seconds of "90s", "20m" or "2h"."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found or int(found[1]) == 0:
        raise Invalid(
            Problem("clock advance", f'"{text}" is no time', "use 90s, 20m or 2h; the clock only goes forward")
        )
    return int(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2]]


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if not found:
        raise Invalid(Problem("--slow", f'"{text}" is no time', "use seconds or milliseconds, such as 2s or 500ms"))
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
