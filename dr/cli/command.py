"""What all commands of the project share: the shape of an application, common options, errors and exit codes."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dr.errors import DrError, Exit

if TYPE_CHECKING:
    from rich.console import RenderableType

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

COMMON_EXITS: Mapping[Exit, str] = {
    Exit.OK: "The command succeeded.",
    Exit.FAILED: "An operation or a call failed.",
    Exit.INVALID: "The input cannot be used: an option, a setting or a file.",
    Exit.REFUSED: "A guard refused the command; nothing was changed.",
}
"""Meaning of the exit codes of a command, unless its own table says something more specific."""


def application(name: str, text: str, *, completion: bool = False) -> typer.Typer:
    """Make an application or a group of commands: `-h`, plain help that fits any terminal, no tracebacks of ours.

    Args:
        name: The name under which it is called.
        text: Its help.
        completion: Whether it offers to install completion for the shell.
    """
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=completion,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def exits(own: Mapping[Exit, str]) -> str:
    """A command's exit codes, as the end of its help.

    Args:
        own: What the codes mean that this command uses otherwise than others.
    """
    meanings = sorted({**COMMON_EXITS, **own}.items())
    return "\b\nExit codes:\n" + "\n".join(f"  {int(code)}  {meaning}" for code, meaning in meanings)


def version() -> str:
    """The version of this checkout, from pyproject.toml."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


@contextmanager
def errors_shown(as_json: bool = False) -> Iterator[None]:
    """Print an error of this project, and end the command with the error's exit code."""
    try:
        yield
    except DrError as error:
        if as_json:
            from dr.cli.report import error_dict

            typer.echo(json.dumps(error_dict(error), indent=2))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error


def print_result(as_json: bool, data: Callable[[], object], text: Callable[[], RenderableType]) -> None:
    """Print a command's result.

    Args:
        as_json: Whether to print JSON instead of text.
        data: Makes what JSON shows.
        text: Makes what text shows.
    """
    if as_json:
        typer.echo(json.dumps(data(), indent=2))
    else:
        from dr.cli.layout import show

        show(text())


def run(app: typer.Typer, name: str, **options: Any) -> None:
    """Run an application as the program `name`; an interrupt ends it with exit code 1."""
    try:
        app(prog_name=name, **options)
    except KeyboardInterrupt:
        sys.exit(int(Exit.FAILED))
