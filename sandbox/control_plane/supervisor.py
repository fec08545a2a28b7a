"""Keeps processes running, and stops them when its standard input ends.

`supervised.py` runs this script and holds the other end of its input, so the processes end with its own process, even
if that is killed. Each line of input is a JSON list of processes to start: `{"name", "command", "log", "environment",
"end"}`, where `end` is the signal that stops the process. A process that ends is started again, as by a kubelet. The
state is written to a file: `{name: {"pid": null if it cannot be run, "ended": how often, "code": the last exit code}}`.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESTART_SECONDS = 0.5
"""Delay between the end of a process and its restart."""

PATIENCE_SECONDS = 5.0
"""Time for a process to end after its signal, before it is killed."""

NOT_RUN = 127
"""Exit code of a program that cannot be started, as in a shell."""

PR_SET_PDEATHSIG = 1


class Supervisor:
    """Processes in the order in which they were started.

    Args:
        state: File of their state.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._wanted: dict[str, dict[str, Any]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended: dict[str, list[int]] = {}

    def start(self, wanted: dict[str, Any]) -> None:
        """Start or restart a process."""
        name = wanted["name"]
        self._wanted[name] = wanted
        with Path(wanted["log"]).open("ab") as log:
            try:
                self._running[name] = subprocess.Popen(
                    wanted["command"],
                    env=wanted["environment"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=functools.partial(die_with, os.getpid()) if sys.platform == "linux" else None,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                self._ended.setdefault(name, []).append(NOT_RUN)
        self.write_state()

    def restart_ended(self) -> None:
        """Restart the processes that have ended."""
        for name, process in list(self._running.items()):
            code = process.poll()
            if code is not None:
                self._ended.setdefault(name, []).append(code)
                self.write_state()
                time.sleep(RESTART_SECONDS)
                self.start(self._wanted[name])

    def end(self) -> None:
        """Stop all processes, the last started first."""
        for name, process in reversed(self._running.items()):
            process.send_signal(signal.Signals[self._wanted[name]["end"]])
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._state.unlink(missing_ok=True)

    def write_state(self) -> None:
        """Write the state file atomically."""
        state = {
            name: {
                "pid": self._running[name].pid if name in self._running else None,
                "ended": len(ended),
                "code": ended[-1] if ended else None,
            }
            for name in self._wanted
            for ended in [self._ended.get(name, [])]
        }
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps(state))
        draft.replace(self._state)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Linux only.

    Args:
        parent: Process id of the parent. If it ended before this call, this process kills itself.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run until the input ends or SIGTERM arrives."""
    supervisor = Supervisor(Path(sys.argv[1]))
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    ending: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the process that holds the input
    pending = b""
    while not ending:
        readable, _, _ = select.select([sys.stdin, woken], [], [])
        if woken in readable:
            woken.recv(4096)
            supervisor.restart_ended()
        if sys.stdin in readable:
            read = os.read(sys.stdin.fileno(), 1 << 20)
            if not read:
                break
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                for wanted in json.loads(line):
                    supervisor.start(wanted)
    supervisor.end()


if __name__ == "__main__":
    main()
