"""docs/cli.md: every command with its options, exit codes and sample output, from the commands themselves."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from docs.generate.cli_examples import OUTPUTS
from dr.cli.command import COMMON_EXITS
from dr.cli.main import EXITS
from dr.cli.main import app as dr
from sandbox.cli.main import app as sandbox

ROOT = Path(__file__).parents[2]
WIDTH = 118
HEAD = """\
# Commands

`make docs` writes this page from the commands. `-h` shows the same for one command.

Every command ends with one of these exit codes, unless its own table says something more specific:

{exits}

Results go to standard output. Errors go to standard error: what is wrong, why, and after `->` what to do. With `--json`
both go to standard output as JSON. `NO_COLOR` switches colors off. Values are never cut: in a terminal, a row that is
too wide continues on the next line; in a pipe, each row is one line, unless `COLUMNS` sets a width.

`dr` works in the project's folder and below it. It is on `PATH` in `make shell`; elsewhere it is `.local/venv/bin/dr`.
`dr --install-completion` installs completion for your shell.
"""


def document() -> str:
    """Return the whole page."""
    parts = [HEAD.format(exits=_exit_table(COMMON_EXITS))]
    parts += ["## dr", _usage("dr", get_command(dr))]
    for name, command in commands(get_command(dr)):
        parts += [f"### dr {name}", *_command("dr", name, command)]
    parts += ["## make", "| target | purpose |\n|---|---|\n" + "\n".join(_targets())]
    parts += ["## python -m sandbox", _usage("python -m sandbox", get_command(sandbox))]
    for name, command in commands(get_command(sandbox)):
        parts += [f"### python -m sandbox {name}", *_command("python -m sandbox", name, command)]
    return "\n\n".join(part.strip("\n") for part in parts)


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Commands by name, with those of groups inside; a group that works as a command itself comes first."""
    for name, command in group.commands.items():
        inside = getattr(command, "commands", None)
        if inside is None or command.invoke_without_command:
            yield prefix + name, command
        if inside is not None:
            yield from commands(command, f"{prefix}{name} ")


def _command(program: str, name: str, command: Any) -> list[str]:
    parts = [_prose(command), _usage(f"{program} {name}", command)]
    if rows := [row for parameter in command.params if (row := _parameter(parameter))]:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    if program == "dr":
        parts.append(_exit_table({**COMMON_EXITS, **EXITS[name]}))
    if output := OUTPUTS.get(f"{program} {name}"):
        parts.append(f"```console\n{output}\n```")
    return parts


def _prose(command: Any) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(each.split()), WIDTH, break_on_hyphens=False) for each in paragraphs)


def _usage(program: str, command: Any) -> str:
    context = command.make_context(program, [], resilient_parsing=True)
    pieces = " ".join(command.collect_usage_pieces(context))
    return f"```text\n{program} {pieces}\n```"


def _parameter(parameter: Any) -> str:
    help = " ".join(str(parameter.help or "").split())
    if parameter.param_type_name == "argument":
        return f"| `{parameter.name.upper()}` | {help} |"
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    notes = [f"variable `{parameter.envvar}`"] if parameter.envvar else []
    if parameter.required:
        notes.append("required")
    elif parameter.show_default is not False and isinstance(parameter.default, str | int) and not parameter.is_flag:
        default = getattr(parameter.default, "value", parameter.default)
        notes += [f"default `{default}`"] if default != "" else []
    suffix = f" ({'; '.join(notes)})" if notes else ""
    return f"| {names} | {help}{suffix} |"


def _exit_table(meanings: Any) -> str:
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in sorted(meanings.items())]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def _targets() -> Iterator[str]:
    for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([a-z-]+):.*## (.*)", line):
            yield f"| `make {found[1]}` | {found[2]} |"
