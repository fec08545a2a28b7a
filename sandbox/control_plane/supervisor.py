"""Keeps the processes of one control plane running, and ends them when its standard input ends.

Run as a script by `control_plane.py`, whose process holds the other end: killed in whatever way, it takes them along.
Each line of input is a JSON list of processes to start: `{"name", "command", "log", "environment", "end"}`, `end` being
the signal that ends it. What ends by itself is started again, as a kubelet would. The state is in a file:
`{name: {"pid", or null for what cannot be run, "ended": how often it did, "code": of the last time}}`.
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

AGAIN_SECONDS = 0.5
"""Between the end of a process and its next start."""

PATIENCE_SECONDS = 5.0
"""For a process to end by its signal, before it is killed."""

NOT_RUN = 127
"""The code of a program that could not be started, as a shell says it."""

PR_SET_PDEATHSIG = 1


class Supervisor:
    """The processes of one control plane, in the order in which they were started."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._wanted: dict[str, dict[str, Any]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended: dict[str, list[int]] = {}

    def start(self, wanted: dict[str, Any]) -> None:
        """Start a process, the first time or again."""
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
        self.tell()

    def look_after(self) -> None:
        """Start again what has ended."""
        for name, process in list(self._running.items()):
            code = process.poll()
            if code is not None:
                self._ended.setdefault(name, []).append(code)
                self.tell()
                time.sleep(AGAIN_SECONDS)
                self.start(self._wanted[name])

    def end(self) -> None:
        """End everything, last started first."""
        for name, process in reversed(self._running.items()):
            process.send_signal(signal.Signals[self._wanted[name]["end"]])
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._state.unlink(missing_ok=True)

    def tell(self) -> None:
        """Write the state file, in one step."""
        told = {
            name: {
                "pid": self._running[name].pid if name in self._running else None,
                "ended": len(ended),
                "code": ended[-1] if ended else None,
            }
            for name in self._wanted
            for ended in [self._ended.get(name, [])]
        }
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps(told))
        draft.replace(self._state)


def die_with(parent: int) -> None:
    """Have this process killed when its parent ends, even violently. Linux alone has this.

    Args:
        parent: The parent. Where it ended before the kernel was told, nothing would come any more.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Serve until the input ends or SIGTERM comes."""
    supervisor = Supervisor(Path(sys.argv[1]))
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    ending: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that holds the input
    pending = b""
    while not ending:
        readable, _, _ = select.select([sys.stdin, woken], [], [])
        if woken in readable:
            woken.recv(4096)
            supervisor.look_after()
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
