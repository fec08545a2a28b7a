"""Repeat a status until it is interrupted: a live view on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import sleep

import typer
from rich.console import Console

from dr.cli.layout import output, show
from dr.cli.status_report import changes, status_dict, status_text
from dr.errors import Exit
from dr.operations.status import StatusReport


def watch(read: Callable[[], StatusReport], seconds: float, as_json: bool, console: Console | None = None) -> Exit:
    """Show each report, until an interrupt.

    Args:
        read: Returns a report.
        seconds: Pause between two reports, in seconds.
        as_json: Whether to print each report as a JSON document in one line.
        console: The console to use; None for standard output.

    Returns:
        The exit code of the last report; UNKNOWN if there is none.
    """
    console = console or output()
    last: StatusReport | None = None
    try:
        if as_json or not console.is_terminal:
            for report in _reports(read, seconds):
                lines = [json.dumps(status_dict(report))] if as_json else changes(report, last)
                last = report
                for line in lines:
                    typer.echo(line)
        else:
            from rich.live import Live

            try:
                with Live(console=console, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
                    for report in _reports(read, seconds):
                        last = report
                        live.update(status_text(report), refresh=True)
            finally:
                if last:
                    show(status_text(last), console)
    except KeyboardInterrupt:
        pass
    return last.exit_code if last else Exit.UNKNOWN


def _reports(read: Callable[[], StatusReport], seconds: float) -> Iterator[StatusReport]:
    while True:
        yield read()
        sleep(seconds)
