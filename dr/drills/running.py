"""The drill that runs on this machine: a file from which `dr drill stop` cleans up after a process that died."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dr.control import local_state
from dr.errors import Problem, Refused


@dataclass(frozen=True)
class Process:
    """A process of this machine. The time tells it from a later one with the same ID.

    Args:
        pid: Its ID.
        started: Time of its start, in seconds since 1970.
    """

    pid: int
    started: float

    @staticmethod
    def this() -> Process:
        """Return this process."""
        return Process.of(os.getpid())

    @staticmethod
    def of(pid: int) -> Process:
        """Return a running process."""
        import psutil

        return Process(pid, psutil.Process(pid).create_time())

    def running(self) -> bool:
        """Return whether it still runs."""
        import psutil

        try:
            found = psutil.Process(self.pid)
            return found.create_time() == self.started and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def end(self, seconds: float) -> None:
        """Interrupt it, and kill it if it has not ended in time.

        Args:
            seconds: Time limit.
        """
        import psutil

        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            found.send_signal(signal.SIGINT)
            try:
                found.wait(seconds)
            except psutil.TimeoutExpired:
                found.kill()


@dataclass(frozen=True)
class Running:
    """A drill that was started.

    Args:
        drill: Its name.
        run: ID of its run.
        process: Its process.
        clients: Process of its clients; None before they start.
        raised: Whether it deployed a higher tier than the configured one.
        restores: Requests for restore jobs, noted before each is made.
    """

    drill: str
    run: str
    process: Process
    clients: Process | None = None
    raised: bool = False
    restores: tuple[dict[str, Any], ...] = ()

    def note(self) -> None:
        """Write the file."""
        path().parent.mkdir(parents=True, exist_ok=True)
        path().write_text(json.dumps(asdict(self)), encoding="utf-8")


def path() -> Path:
    """Return the path of the file."""
    return local_state.folder() / "drill.json"


def read() -> Running | None:
    """Return the drill that was started and not cleaned up; None without one."""
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
        clients = Process(**found["clients"]) if found["clients"] else None
        restores = tuple(found.get("restores", ()))
        return Running(found["drill"], found["run"], Process(**found["process"]), clients, found["raised"], restores)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def forget() -> None:
    """Remove the file."""
    path().unlink(missing_ok=True)


def check() -> None:
    """Check that no other drill was started here.

    Raises:
        Refused: One runs, or died and was not cleaned up.
    """
    found = read()
    if found is None:
        return
    how = (
        f"it runs (pid {found.process.pid})"
        if found.process.running()
        else "its process died, and nothing was cleaned up"
    )
    raise Refused(Problem(f"drill {found.drill} {found.run}", how, "`dr drill stop` ends it and cleans up"))
