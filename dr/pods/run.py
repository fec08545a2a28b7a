"""How a pod's program starts and ends.

Its exit code is that of the error (`dr.errors.Exit`), so that a Job's failure policy can tell what a second try may
mend from what it cannot. The error is the last thing in the log, and with
`terminationMessagePolicy: FallbackToLogsOnError` it is in the pod's status too.
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
"""Nobody waits at a terminal: a pod rather waits out a throttled minute than starts anew."""


def run(work: Callable[[], None]) -> NoReturn:
    """Do a pod's work, and end the process."""
    os.environ.setdefault("AWS_MAX_ATTEMPTS", ATTEMPTS)
    signal.signal(signal.SIGTERM, _end)
    try:
        work()
    except DrError as error:
        say(str(error))
        sys.exit(error.exit_code)
    sys.exit(Exit.OK)


def say(text: str) -> None:
    """One line of the log a step."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: the kernel ignores SIGTERM for a container's first process unless it is handled.

    Not by SystemExit, which waits for every thread: what was half done is left, as it would be after a kill.
    """
    os._exit(128 + number)
