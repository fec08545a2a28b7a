"""A server that has imported the SDKs and forks: plugins and programs start in a tenth of the time.

The engine starts its plugins, the language host and the program for every operation, and importing the same packages
takes half of their time. This server imports them once; `forked.py` requests a process that continues from there. It
does not import modules of the project: a fork reads them from disk.

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
"""Modules of the AWS SDK that the program uses; the SDK loads a module at its first use."""
PRELOADED = (
    *("boto3", "botocore.session", "grpc", "pulumi", "pulumi.automation", "pulumi.policy", "pulumi_kubernetes"),
    *("pydantic", "yaml", "urllib3"),
    *(f"pulumi_aws.{name}" for name in AWS.split()),
)
LONGEST_PATH = 100
"""Longest path of a socket in bytes on every system (sun_path in unix(7): 108 on Linux, 104 on macOS)."""
REQUEST_SECONDS = 5.0


@dataclass
class Request:
    """A request for a process.

    Args:
        arguments: Arguments of the interpreter: `-m module ...` or `script ...`, after `-P` and `-u`.
        folder: Its working directory.
        environment: Its environment.
        streams: Descriptors of its three standard streams.
    """

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    streams: list[int]

    @classmethod
    def read(cls, connection: socket.socket) -> Request:
        """Read a request from a client."""
        connection.settimeout(REQUEST_SECONDS)
        size, streams, _, _ = socket.recv_fds(connection, 4, 3)
        with connection.makefile("rb") as text:
            request = json.loads(text.read(*struct.unpack("!I", size)))
        connection.settimeout(None)
        return cls(**request, streams=streams)

    def close(self) -> None:
        """Close its streams."""
        for stream in self.streams:
            os.close(stream)

    def run(self, path: Sequence[str]) -> None:
        """Become the process, as if the interpreter had been started for it.

        Args:
            path: Module search path, in addition to the request's PYTHONPATH.
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
        The server; None where the path is too long or this is not Linux: on macOS a fork of a process that has used
        system frameworks may crash. Every Python then starts by itself.
    """
    if sys.platform != "linux" or len(os.fsencode(path)) > LONGEST_PATH:
        return None
    # -P and no PYTHONPATH: the server must not import modules of the project.
    variables = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, "-P", __file__, str(path), str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=variables)


def stop(server: subprocess.Popen[bytes] | None, path: Path) -> None:
    """Stop a server, if there is one.

    Args:
        server: The result of `start`.
        path: Its socket.
    """
    if server:
        server.terminate()
        server.wait()
        path.unlink(missing_ok=True)


def command(path: Path) -> list[str]:
    """The replacement of `python` in a command line that the server is to fork.

    Args:
        path: The server's socket.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("forked.py")), str(path)]


class ForkServer:
    """Forks a process for each request at a socket.

    Args:
        path: The socket, in a folder that only its owner can enter.
        parent: Id of the process with which the server ends.
    """

    def __init__(self, path: Path, parent: int) -> None:
        self._parent = parent
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> Request | None:
        """Serve until the parent has ended or a signal arrives.

        Returns:
            None in the server; in a fork the request to run.
        """
        woken, wake = os.pipe()
        for end in (woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        caught: set[int] = set()
        numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
        before = [(number, signal.signal(number, lambda number, _: caught.add(number))) for number in numbers]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(woken, selectors.EVENT_READ)
        while not caught & {signal.SIGTERM, signal.SIGINT} and os.getppid() == self._parent:
            for key, _ in self._selector.select(timeout=1):
                if key.fileobj is self._listener:
                    if request := self._accept():
                        signal.set_wakeup_fd(-1)
                        for number, handler in before:
                            signal.signal(number, handler)
                        for end in (woken, wake):
                            os.close(end)
                        return request
                elif key.fileobj == woken:
                    os.read(woken, 4096)
                    self._reap()
                else:
                    self._pass_on(key.fileobj, key.data)
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        return None

    def _accept(self) -> Request | None:
        """Fork for a client. Returns the request in the fork, None in the server."""
        connection, _ = self._listener.accept()
        try:
            request = Request.read(connection)
        except (OSError, ValueError, TypeError, struct.error):
            connection.close()
            return None
        pid = os.fork()
        if pid:
            request.close()
            with contextlib.suppress(OSError):  # the end of the connection reveals a client that has gone
                connection.sendall(b"+")
            self._children[pid] = connection
            self._selector.register(connection, selectors.EVENT_READ, pid)
            return None
        self._selector.close()
        for each in (self._listener, connection, *self._children.values()):
            each.close()
        return request

    def _reap(self) -> None:
        """Send each ended process's exit code to its client."""
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
            return  # the process has ended
        numbers = b""
        with contextlib.suppress(OSError):
            numbers = connection.recv(16)
        if not numbers:
            self._selector.unregister(connection)
        for number in numbers or bytes([signal.SIGKILL]):
            os.kill(pid, number)


def preload() -> None:
    """Import the packages that most processes use."""
    for name in PRELOADED:
        module = importlib.import_module(name)
        # The SDKs load a module when one of its attributes is read.
        getattr(module, "__all__", None)
    # These objects are never freed: a fork's garbage collector skips them.
    gc.freeze()


def main() -> None:
    """Serve; in a fork, become the requested process."""
    path = list(sys.path)
    server = ForkServer(Path(sys.argv[1]), int(sys.argv[2]))
    preload()
    if request := server.serve():
        request.run(path)


if __name__ == "__main__":
    main()
