"""Processes that `supervisor.py` keeps running, and that end with this process, however it ends."""

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
        state: The file in which it writes what became of them.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def begun(self) -> bool:
        """Whether it was started, and not ended."""
        return self._supervisor is not None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def begin(self) -> None:
        """Start the supervisor, without processes yet."""
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), str(self.state)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def order(self, processes: list[dict[str, Any]]) -> None:
        """Have processes started, as `supervisor.py` describes them."""
        if self._supervisor is None or self._supervisor.stdin is None:
            raise RuntimeError("no supervisor")
        self._supervisor.stdin.write(json.dumps(processes).encode() + b"\n")
        self._supervisor.stdin.flush()

    def end(self) -> None:
        """End all of them and the supervisor; nothing where there is none."""
        if self._supervisor is None or self._supervisor.stdin is None:
            return
        self._supervisor.stdin.close()
        try:
            self._supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        self._supervisor = None
