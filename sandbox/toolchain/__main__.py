"""`python -m sandbox.toolchain`: makes sure there is a pulumi engine, and prints where it is."""

from __future__ import annotations

import sys
import time

from dr.errors import DrError
from sandbox.toolchain import Report, ensure_pulumi

SECONDS_BETWEEN_LINES = 5.0
"""How often a log, which cannot rewrite its line, hears of progress."""


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
    try:
        toolchain = ensure_pulumi(printer())
    except DrError as error:
        print(f"\n{error}" if sys.stderr.isatty() else str(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; what Go has compiled is kept, and the next run goes on from there", file=sys.stderr)
        return 130
    if toolchain.origin in ("built", "downloaded") and sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"pulumi {toolchain.version} ({toolchain.origin}): {toolchain.pulumi}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
