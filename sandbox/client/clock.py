"""The sandbox's clock in another process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from dr.errors import DrError
from sandbox.emulator_client import ask
from sandbox.server_process import Server

READ_SECONDS = 0.1
"""Interval at which the clock is read."""


class SandboxClock:
    """The machine's time plus what `clock advance` added and what a higher speed adds.

    A thread reads both, so that an emulator that answers late delays no caller.

    Args:
        server: The running emulator.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pace = self._read()

    def time(self) -> float:
        """Return the time in seconds since 1970."""
        read, ahead, speed = self._pace
        now = time.time()
        return now + ahead + (now - read) * (speed - 1)

    def now(self) -> datetime:
        """Return the time, with time zone."""
        return datetime.fromtimestamp(self.time(), UTC)

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Read the clock at an interval until the block ends; keep the last value if the emulator does not answer."""
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(READ_SECONDS):
                with contextlib.suppress(DrError):
                    self._pace = self._read()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _read(self) -> tuple[float, float, float]:
        """Return the machine's time, the seconds by which the clock is ahead then, and its speed."""
        asked = time.time()
        found = ask(self._server, "GET", "clock")
        return (asked + time.time()) / 2, float(found["ahead"]), float(found["speed"])
