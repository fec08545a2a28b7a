"""`python -m sandbox.toolchain [pulumi] [kubernetes]`: makes sure that they are there, and prints where.

Both, where none is named.
"""

from __future__ import annotations

import argparse
import sys
import time

from dr.errors import DrError
from sandbox.kubernetes.binaries import ensure_binaries
from sandbox.toolchain import Report, aws_plugin, ensure_pulumi

SECONDS_BETWEEN_LINES = 5.0
"""How often a log, which cannot rewrite its line, hears of progress."""


NAMES = ("pulumi", "kubernetes")


def printer() -> Report:
    """A report that rewrites one line on a terminal, and adds a line now and then elsewhere."""
    terminal = sys.stderr.isatty()
    last = -SECONDS_BETWEEN_LINES

    def report(text: str, share: float | None) -> None:
        nonlocal last
        line = text if share is None else f"{text} ({share:.0%})"
        if terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif share is None or time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    return report


def main() -> int:
    """Returns the exit code of dr/errors.py."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.toolchain", description="Get what the sandbox runs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{' or '.join(NAMES)}; both by default")
    wanted = parser.parse_args().names or NAMES
    if unknown := set(wanted) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; use {' or '.join(NAMES)}")
    report = printer()
    lines = []
    try:
        if "pulumi" in wanted:
            engine = ensure_pulumi(report)
            lines.append((engine.origin, f"pulumi {engine.version} ({engine.origin}): {engine.pulumi}"))
            lines.append(("", aws_plugin.description()))
        if "kubernetes" in wanted:
            found = ensure_binaries(report)
            lines.append((found.origin, f"kubernetes {found.version} ({found.origin}): {found.folder}"))
    except DrError as error:
        print(f"\n{error}" if sys.stderr.isatty() else str(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; what Go has compiled is kept, and the next run goes on from there", file=sys.stderr)
        return 130
    if {origin for origin, _ in lines} & {"built", "downloaded"} and sys.stderr.isatty():
        print(file=sys.stderr)
    print("\n".join(line for _, line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
