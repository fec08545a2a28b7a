"""`python -m sandbox fault`: break something, see what is broken, mend it."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import typer

from dr.cli.command import Json, application, errors_shown
from dr.errors import Invalid, Problem
from sandbox import server_process
from sandbox.emulator_client import ask
from sandbox.local import Local

app = application("fault", "Inject faults, list them and clear them.")
ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)[a-z]")


@app.command("region")
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


@app.command("zone")
def fault_zone(
    zone: Annotated[str, typer.Argument(help="The availability zone, such as us-east-1a.")],
    down: Annotated[bool, typer.Option("--down", help="Its machines are dead, and pods with them.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="The zone is well again.")] = False,
) -> None:
    """Take the machines of a zone away, or give them back."""
    with errors_shown():
        if down + heal != 1:
            raise Invalid(Problem("fault zone", "it takes exactly one of these", "--down or --heal"))
        found = ZONE.fullmatch(zone)
        if not found:
            raise Invalid(Problem("zone", f'"{zone}" is no zone', "use a region and a letter, such as us-east-1a"))
        _known_region(found[1])
        _change(down, {"kind": "zone", "zone": zone}, f"zone={zone}")


@app.command("capacity")
def fault_capacity(
    region: Annotated[str, typer.Argument(help="The region, such as us-west-2.")],
    instance_type: Annotated[str, typer.Argument(help="The instance type, such as g5.2xlarge.")],
    none: Annotated[bool, typer.Option("--none", help="Nothing of the type can be launched.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="There is capacity again.")] = False,
) -> None:
    """Let a region run out of an instance type, or have it again."""
    with errors_shown():
        if none + heal != 1:
            raise Invalid(Problem("fault capacity", "it takes exactly one of these", "--none or --heal"))
        _known_region(region)
        content = {"kind": "capacity", "region": region, "instance_type": instance_type}
        _change(none, content, f"region={region}&instance_type={instance_type}")


@app.command("operation")
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


@app.command("list")
def fault_list(as_json: Json = False) -> None:
    """Say what is broken."""
    with errors_shown(as_json):
        faults = ask(server_process.require(Local.from_environment()), "GET", "faults")
    if as_json:
        typer.echo(json.dumps(faults, indent=2))
    else:
        _show(faults)


@app.command("clear")
def fault_clear() -> None:
    """Mend everything."""
    with errors_shown():
        _show(ask(server_process.require(Local.from_environment()), "DELETE", "faults"))


def _change(broken: bool, content: dict[str, Any], place: str) -> None:
    server = server_process.require(Local.from_environment())
    _show(ask(server, "POST", "faults", content) if broken else ask(server, "DELETE", f"faults?{place}"))


def _show(faults: list[dict[str, Any]]) -> None:
    for each in faults:
        typer.echo(describe(each))
    if not faults:
        typer.echo("Nothing is broken.")


def describe(each: dict[str, Any]) -> str:
    """A fault in words."""
    if each["kind"] == "zone":
        return f"{each['zone']} is down: its machines are dead"
    if each["kind"] == "capacity":
        return f"{each['region']} has no capacity of {each['instance_type']}"
    if each["kind"] == "operation":
        where = f" in {each['region']}" if each.get("region") else ""
        return f"{each['operation']} answers {each['error']}{where}, {each['times']} more times"
    how = "is unreachable" if each.get("unreachable") else f"is {each['slow']:g} s slower"
    return f"{each['region']} {how}{', global control planes too' if each.get('with_global') else ''}"


def _known_region(region: str) -> None:
    from dr.config.types import known_regions
    from dr.spelling import did_you_mean

    if region not in known_regions():
        hint = did_you_mean(region, known_regions(), "use a name such as us-east-1")
        raise Invalid(Problem("region", f'"{region}" is not an AWS region', hint))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if not found:
        raise Invalid(Problem("--slow", f'"{text}" is no time', "use seconds or milliseconds, such as 2s or 500ms"))
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
