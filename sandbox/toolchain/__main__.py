"""`python -m sandbox.toolchain [pulumi]`: make the sandbox's tools where they are missing, and print their paths.

By default all of them; with `pulumi` the engine alone, for a machine that deploys and has no sandbox.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time

from dr.errors import DrError
from sandbox.toolchain import aws_plugin, go_cache
from sandbox.toolchain.programs import ensure_programs
from sandbox.toolchain.pulumi import ENGINE
from sandbox.toolchain.tool import Report

SECONDS_BETWEEN_LINES = 5.0
"""Interval of progress lines in a log, which cannot rewrite its last line."""


def printer() -> Report:
    """A report that rewrites one line on a terminal, and elsewhere prints a line every few seconds."""
    terminal = sys.stderr.isatty()
    last = -SECONDS_BETWEEN_LINES

    def report(text: str, share: float | None) -> None:
        nonlocal last
        line = text if share is None else f"{text} ({share:.0%})"
        if terminal:
            # A longer line would wrap, and only its last part would be rewritten.
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{line[:width]}", end="\r", file=sys.stderr, flush=True)
        elif share is None or time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    return report


def main() -> int:
    """Run the command.

    Returns:
        The exit code of dr/errors.py.
    """
    description = "Make the tools that the sandbox runs."
    parser = argparse.ArgumentParser(prog="python -m sandbox.toolchain", description=description)
    parser.add_argument("name", nargs="?", choices=["pulumi"], help="the engine alone; everything by default")
    report = printer()
    try:
        lines = _engine(report) if parser.parse_args().name else _everything(report)
    except DrError as error:
        print(f"\n{error}" if sys.stderr.isatty() else str(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; compiled packages are kept, and the next run continues from there", file=sys.stderr)
        return 130
    print("\n".join(lines))
    return 0


def _engine(report: Report) -> list[str]:
    if (engine := ENGINE.find()) is None:
        with go_cache.removed_afterwards():
            engine = ENGINE.make(report)
    return [f"pulumi {engine.version} ({engine.origin}): {engine.pulumi}"]


def _everything(report: Report) -> list[str]:
    aws, programs = aws_plugin.description(), ensure_programs(report)
    engine, kubernetes, plugin = programs.engine, programs.kubernetes, programs.plugin
    return [
        f"pulumi {engine.version} ({engine.origin}): {engine.pulumi}",
        f"kubernetes {kubernetes.version} ({kubernetes.origin}): {kubernetes.folder}",
        f"Kubernetes plugin {plugin.version} ({plugin.origin}): {plugin.path}",
        f"crane: {programs.crane}",
        aws,
    ]


if __name__ == "__main__":
    sys.exit(main())
