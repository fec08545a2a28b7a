"""A Python that has imported the SDKs already, and forks: plugins and programs start from it in a tenth of the time.

The engine starts its plugins, the language host and the program anew for every operation, and half of what they do
then is to import the same packages. This server imports them once; `forked.py` asks it for a process that goes on from
there. Modules of the project are not among them: what is forked reads them as they are on disk.

Usage: fork_server.py SOCKET PID
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AWS = "acm backup cloudwatch ec2 eks iam kms lambda_ lb route53 s3 scheduler sns vpc"
"""Modules of the AWS SDK that the program uses; they are loaded when something in them is asked for."""
PRELOADED = (
    *("boto3", "botocore.session", "grpc", "pulumi", "pulumi.automation", "pulumi.policy", "pulumi_kubernetes"),
    *("pydantic", "yaml", "urllib3"),
    *(f"pulumi_aws.{name}" for name in AWS.split()),
)
LONGEST_PATH = 100
"""Bytes of a socket's path that every system takes (sun_path in unix(7): 108 on Linux, 104 on macOS)."""
REQUEST_SECONDS = 5.0


@dataclass
class Asked:
    """A process that somebody wants.

    Args:
        arguments: Of the interpreter: `-m module ...` or `script ...`, after `-P` and `-u`.
        folder: Where it runs.
        environment: Its environment.
        streams: Descriptors of its three standard streams.
    """

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    streams: list[int]

    @classmethod
    def read(cls, connection: socket.socket) -> Asked:
        """Take a request from a client."""
        connection.settimeout(REQUEST_SECONDS)
        size, streams, _, _ = socket.recv_fds(connection, 4, 3)
        with connection.makefile("rb") as text:
            asked = json.loads(text.read(*struct.unpack("!I", size)))
        connection.settimeout(None)
        return cls(**asked, streams=streams)

    def close(self) -> None:
        """Forget its streams."""
        for stream in self.streams:
            os.close(stream)

    def run(self, path: Sequence[str]) -> None:
        """Be that process, as if the interpreter had been started for it.

        Args:
            path: Where modules are found, besides what the request says.
        """
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
        self.close()
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        for output in (sys.stdout, sys.stderr):
            output.reconfigure(write_through=True)  # type: ignore[union-attr]
        flags = list(itertools.takewhile(lambda each: each in ("-P", "-u", "-m"), self.arguments))
        sys.argv[:] = self.arguments[len(flags) :]
        name = sys.argv[0]
        own = [] if "-P" in flags else [os.getcwd() if "-m" in flags else str(Path(name).parent)]
        sys.path[:] = [*own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *path]
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
        importlib.invalidate_caches()
        if "-m" in flags:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")


def start(path: Path) -> subprocess.Popen[bytes] | None:
    """Start a server in the background, which ends with this process.

    Args:
        path: Its socket.

    Returns:
        It; None where there can be none: the path is too long, or this is not Linux (on macOS a fork of a process that
        has used system frameworks may crash), and then every Python starts by itself.
    """
    if sys.platform != "linux" or len(os.fsencode(path)) > LONGEST_PATH:
        return None
    # -P, and no PYTHONPATH: nothing of the project is found.
    variables = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, "-P", __file__, str(path), str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=variables)


def stop(server: subprocess.Popen[bytes] | None, path: Path) -> None:
    """Stop a server, if there is one.

    Args:
        server: What `start` gave.
        path: Its socket.
    """
    if server:
        server.terminate()
        server.wait()
        path.unlink(missing_ok=True)


def command(path: Path) -> list[str]:
    """What `python` is replaced by in a command line, for its process to be forked.

    Args:
        path: The server's socket.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("forked.py")), str(path)]


class ForkServer:
    """Forks for whoever asks at a socket.

    Args:
        path: The socket; only its owner's folder leads there.
        parent: The process that it ends with.
    """

    def __init__(self, path: Path, parent: int) -> None:
        self._parent = parent
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> Asked | None:
        """Serve until the parent is gone, or a signal says so: None. In a fork: what that is to run."""
        woken, wake = os.pipe()
        for end in (woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        caught: set[int] = set()
        numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
        before = [(number, signal.signal(number, lambda given, _: caught.add(given))) for number in numbers]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(woken, selectors.EVENT_READ)
        while not caught & {signal.SIGTERM, signal.SIGINT} and os.getppid() == self._parent:
            for key, _ in self._selector.select(timeout=1):
                if key.fileobj is self._listener:
                    if asked := self._accept():
                        signal.set_wakeup_fd(-1)
                        for number, handler in before:
                            signal.signal(number, handler)
                        for end in (woken, wake):
                            os.close(end)
                        return asked
                elif key.fileobj == woken:
                    os.read(woken, 4096)
                    self._reap()
                else:
                    self._pass_on(key.fileobj, key.data)
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        return None

    def _accept(self) -> Asked | None:
        """Fork for a client: what to run in the fork, None in the server."""
        connection, _ = self._listener.accept()
        try:
            asked = Asked.read(connection)
        except (OSError, ValueError, TypeError, struct.error):
            connection.close()
            return None
        pid = os.fork()
        if pid:
            asked.close()
            with contextlib.suppress(OSError):  # a client that is gone already is seen by the end of its connection
                connection.sendall(b"+")
            self._children[pid] = connection
            self._selector.register(connection, selectors.EVENT_READ, pid)
            return None
        self._selector.close()
        for each in (self._listener, connection, *self._children.values()):
            each.close()
        return asked

    def _reap(self) -> None:
        """Tell clients of the ends of their processes."""
        for pid, connection in list(self._children.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self._children[pid]
                with contextlib.suppress(KeyError):
                    self._selector.unregister(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))
                connection.close()

    def _pass_on(self, connection: Any, pid: int) -> None:
        """Pass signals on to a process; kill it when its client is gone."""
        if pid not in self._children:
            return  # it has ended a moment ago
        numbers = b""
        with contextlib.suppress(OSError):
            numbers = connection.recv(16)
        if not numbers:
            self._selector.unregister(connection)
        for number in numbers or bytes([signal.SIGKILL]):
            os.kill(pid, number)


def preload() -> None:
    """Import what is imported by most."""
    for name in PRELOADED:
        module = importlib.import_module(name)
        # The SDKs load modules when an attribute is asked for.
        getattr(module, "__all__", None)
    # What is there now is there for ever; a fork's garbage collector has no need to look at it.
    gc.freeze()


def main() -> None:
    """Serve; in a fork, be what was asked for."""
    path = list(sys.path)
    server = ForkServer(Path(sys.argv[1]), int(sys.argv[2]))
    preload()
    if asked := server.serve():
        asked.run(path)


if __name__ == "__main__":
    main()
