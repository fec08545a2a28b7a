"""The `python -m sandbox fault` commands: inject, list and clear faults."""

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
    unreachable: Annotated[bool, typer.Option("--unreachable", help="Make connections to the region fail.")] = False,
    with_global: Annotated[bool, typer.Option("--with-global", help="Include IAM and Route 53.")] = False,
    slow: Annotated[str, typer.Option(help="Delay every answer by this time: 2s, 500ms.")] = "",
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Make a region unreachable or slow, or end that."""
    with errors_shown():
        if unreachable + bool(slow) + heal != 1:
            raise Invalid(
                Problem("fault region", "exactly one of these options is needed", "--unreachable, --slow or --heal")
            )
        if with_global and not unreachable:
            raise Invalid(Problem("--with-global", "is valid with --unreachable only", "add --unreachable"))
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
    down: Annotated[bool, typer.Option("--down", help="Stop the nodes of the zone, and the pods on them.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Stop the nodes of an availability zone, or end that."""
    with errors_shown():
        if down + heal != 1:
            raise Invalid(Problem("fault zone", "exactly one of these options is needed", "--down or --heal"))
        found = ZONE.fullmatch(zone)
        if not found:
            raise Invalid(
                Problem(
                    "zone",
                    f'"{zone}" is not a valid availability zone',
                    "use a name such as us-east-1a",
                )
            )
        _known_region(found[1])
        _change(down, {"kind": "zone", "zone": zone}, f"zone={zone}")


@app.command("publishers")
def fault_publishers(
    unreachable: Annotated[bool, typer.Option("--unreachable", help="Make connections to them fail.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Make the publishers of images and charts unreachable, or end that. The account's registries still answer."""
    with errors_shown():
        if unreachable + heal != 1:
            raise Invalid(
                Problem("fault publishers", "exactly one of these options is needed", "--unreachable or --heal")
            )
        _change(unreachable, {"kind": "publishers"}, "kind=publishers")


@app.command("capacity")
def fault_capacity(
    region: Annotated[str, typer.Argument(help="The region, such as us-west-2.")],
    instance_type: Annotated[str, typer.Argument(help="The instance type, such as g5.2xlarge.")],
    none: Annotated[bool, typer.Option("--none", help="Make launches of the type fail.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Remove a region's capacity of an instance type, or end that."""
    with errors_shown():
        if none + heal != 1:
            raise Invalid(Problem("fault capacity", "exactly one of these options is needed", "--none or --heal"))
        _known_region(region)
        content = {"kind": "capacity", "region": region, "instance_type": instance_type}
        _change(none, content, f"region={region}&instance_type={instance_type}")


@app.command("inference")
def fault_inference(
    region: Annotated[str, typer.Argument(help="The region, such as us-east-1.")],
    slow: Annotated[str, typer.Option(help="Delay answers to inference requests by this time: 4s, 500ms.")] = "",
    share: Annotated[float, typer.Option(help="The share of the requests that are slow, above 0 and up to 1.")] = 1.0,
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Make a region's inference slow while its health checks pass, or end that."""
    with errors_shown():
        if bool(slow) + heal != 1:
            raise Invalid(Problem("fault inference", "exactly one of these options is needed", "--slow or --heal"))
        _known_region(region)
        content: dict[str, Any] = {"kind": "inference", "region": region, "share": share}
        content |= {"slow": _seconds(slow)} if slow else {}
        _change(not heal, content, f"region={region}&kind=inference")


@app.command("database")
def fault_database(
    region: Annotated[str, typer.Argument(help="The region of the secondary cluster, such as us-west-2.")],
    lag: Annotated[str, typer.Option(help="Replication is this far behind: 90s, 500ms.")] = "",
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Make replication of the global database to a region lag, or end that."""
    with errors_shown():
        if bool(lag) + heal != 1:
            raise Invalid(Problem("fault database", "exactly one of these options is needed", "--lag or --heal"))
        _known_region(region)
        content: dict[str, Any] = {"kind": "database", "region": region}
        content |= {"lag": _seconds(lag, "--lag")} if lag else {}
        _change(not heal, content, f"region={region}&kind=database")


@app.command("load")
def fault_load(
    region: Annotated[str, typer.Argument(help="The region, such as us-east-1.")],
    group: Annotated[str, typer.Argument(help="The Auto Scaling group, such as ml-dr-workers-batch.")],
    percent: Annotated[float, typer.Option(help="CPU utilization of each instance, 0 to 100.")] = 90.0,
    heal: Annotated[bool, typer.Option("--heal", help="End the fault.")] = False,
) -> None:
    """Make the instances of an Auto Scaling group busy, or end that."""
    with errors_shown():
        _known_region(region)
        content = {"kind": "load", "region": region, "group": group, "percent": percent}
        _change(not heal, content, f"region={region}&group={group}")


@app.command("operation")
def fault_operation(
    operation: Annotated[str, typer.Argument(help="service:Operation, such as s3:PutObject.")],
    error: Annotated[str, typer.Option(help="The AWS error code to answer with, such as SlowDown.")],
    times: Annotated[int, typer.Option(min=1, help="The number of calls that fail.")] = 1,
    region: Annotated[str | None, typer.Option(help="Fail calls in this region only.")] = None,
) -> None:
    """Make the next calls of an operation fail."""
    with errors_shown():
        if region:
            _known_region(region)
        server = server_process.require(Local.from_environment())
        content = {"kind": "operation", "operation": operation, "error": error, "times": times, "region": region}
        _show(ask(server, "POST", "faults", content))


@app.command("list")
def fault_list(as_json: Json = False) -> None:
    """List the faults."""
    with errors_shown(as_json):
        faults = ask(server_process.require(Local.from_environment()), "GET", "faults")
    if as_json:
        typer.echo(json.dumps(faults, indent=2))
    else:
        _show(faults)


@app.command("clear")
def fault_clear() -> None:
    """Clear all faults."""
    with errors_shown():
        _show(ask(server_process.require(Local.from_environment()), "DELETE", "faults"))


def _change(broken: bool, content: dict[str, Any], place: str) -> None:
    server = server_process.require(Local.from_environment())
    _show(ask(server, "POST", "faults", content) if broken else ask(server, "DELETE", f"faults?{place}"))


def _show(faults: list[dict[str, Any]]) -> None:
    for each in faults:
        typer.echo(describe(each))
    if not faults:
        typer.echo("There are no faults.")


def describe(each: dict[str, Any]) -> str:
    """Return a fault as text."""
    if each["kind"] == "zone":
        return f"{each['zone']} is down: its nodes are stopped"
    if each["kind"] == "capacity":
        return f"{each['region']} has no capacity of {each['instance_type']}"
    if each["kind"] == "load":
        return f"instances of {each['group']} in {each['region']} use {each['percent']:g} % CPU"
    if each["kind"] == "inference":
        return f"inference in {each['region']} is {each['slow']:g} s slower, {each['share']:.0%} of the requests"
    if each["kind"] == "database":
        return f"the database in {each['region']} is {each['lag']:g} s behind its primary"
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


def _seconds(text: str, option: str = "--slow") -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if not found:
        raise Invalid(Problem(option, f'"{text}" is not a valid duration', "use a time such as 2s or 500ms"))
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
