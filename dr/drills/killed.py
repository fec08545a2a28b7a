"""Kill the process of an operator during a failover, so that another one has to resume the run."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dr.control import shared_journal
from dr.errors import Failed, Problem
from dr.operations.scene import Scene

LONGEST = 60.0
"""Time limit in seconds for the process to reach the moment at which it is killed."""
STEPS = (1, 4)
"""Numbers of completed steps between which it is killed."""


def start_and_kill(scene: Scene, drill: str, say: Callable[[str], None]) -> None:
    """Start `dr failover` in a process, and kill it after a random number of steps.

    Args:
        scene: The recovery region.
        drill: Name of the drill, for the reason.
        say: Shows a line of progress.

    Raises:
        Failed: The process ended by itself, or did not get so far in time.
    """
    wanted, journal = random.randint(*STEPS), shared_journal.of_topology(scene.topology)  # noqa: S311 - no secret
    before = set(journal.runs())
    command = [sys.executable, "-m", "dr", "failover", "--yes", "--json", "--reason", f"drill {drill}"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        deadline = time.monotonic() + LONGEST
        while (done := _ended(journal, before)) < wanted:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = process.stdout.read().decode(errors="replace") if process.stdout else ""
                fact = f"it ended after {done} of {wanted} steps, before it was killed: {said.strip()[-300:]}"
                raise Failed(Problem("the operator's process", fact, "`dr journal` shows the run"))
            time.sleep(0.1)
        process.kill()
    say(f"the operator's process is killed after {done} steps; another one takes over")


def _ended(journal: shared_journal.SharedJournal, before: set[str]) -> int:
    """Return the number of steps that have ended in the run that was not there before."""
    new = [each for each in journal.runs() if each not in before]
    return sum(entry.event in ("step.done", "step.unneeded") for run in new for entry in journal.entries(run))
