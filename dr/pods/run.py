"""Start and end of a pod's program.

Its exit code is that of the error (`dr.errors.Exit`), so that a Job's failure policy can distinguish transient failures
from invalid input. The error is the last line of the log, and with `terminationMessagePolicy: FallbackToLogsOnError`
also in the pod's status.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from dr.errors import DrError, Exit

ATTEMPTS = "8"
"""Attempts of each AWS call: a pod can wait longer than an operator, and a retry is cheaper than a restart."""


def run(work: Callable[[], None]) -> NoReturn:
    """Run a pod's work, and exit the process with the exit code of its error."""
    os.environ.setdefault("AWS_MAX_ATTEMPTS", ATTEMPTS)
    signal.signal(signal.SIGTERM, _end)
    try:
        work()
    except DrError as error:
        log(str(error))
        sys.exit(error.exit_code)
    sys.exit(Exit.OK)


def log(text: str) -> None:
    """Write a line to the pod's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end(number: int, frame: FrameType | None) -> None:
    """Exit at once. The kernel ignores SIGTERM for a container's first process unless it has a handler.

    SystemExit is not used, because it waits for every thread. Unfinished work is left as after a kill.
    """
    os._exit(128 + number)
