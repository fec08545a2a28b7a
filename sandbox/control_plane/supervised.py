"""Processes that `supervisor.py` keeps running and that end with this process, even if it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STOP_SECONDS = 30.0


class Supervised:
    """A supervisor and its processes.

    Args:
        state: File in which the supervisor writes their state.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether it was started and not stopped."""
        return self._supervisor is not None

    @property
    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def start(self) -> None:
        """Start the supervisor, without processes."""
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), str(self.state)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def add(self, processes: list[dict[str, Any]]) -> None:
        """Start processes, described as in `supervisor.py`."""
        if self._supervisor is None or self._supervisor.stdin is None:
            raise RuntimeError("the supervisor was not started")
        self._supervisor.stdin.write(json.dumps(processes).encode() + b"\n")
        self._supervisor.stdin.flush()

    def stop(self) -> None:
        """Stop all processes and the supervisor, if it was started."""
        if self._supervisor is None or self._supervisor.stdin is None:
            return
        self._supervisor.stdin.close()
        try:
            self._supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        self._supervisor = None
