"""The ways by which the log of a writer reaches its readers, which faults cut."""

from __future__ import annotations

import functools
import itertools
import os
import socket
import tempfile
from pathlib import Path

from sandbox.aws.faults import Faults
from sandbox.databases.relay import Relay
from sandbox.databases.server import SOCKET, Server

LONGEST = ".s.PGSQL.65535.lock"
SOCKET_BYTES = 107
"""Longest path of a Unix socket (unix(7))."""


class Links:
    """Sockets of readers that lead to their writers.

    Args:
        faults: Injected faults.
        folder: Folder of the sockets, where its path is short enough.
    """

    def __init__(self, faults: Faults, folder: Path) -> None:
        self._faults, self._sockets = faults, folder
        self._sources: dict[str, tuple[Server, tuple[str, str]]] = {}
        self._open: dict[str, tuple[Path, Relay]] = {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = itertools.count(1)

    def lead(self, reader: str, writer: Server, regions: tuple[str, str]) -> Path:
        """Let a reader receive from a writer, and return the folder of the socket by which it does.

        Args:
            reader: What identifies the reader.
            writer: The writer.
            regions: The regions of the writer and of the reader.
        """
        self._sources[reader] = writer, regions
        if reader not in self._open:
            folder = self.short_folder()
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(str(folder / SOCKET))
            listening.listen()
            self._open[reader] = folder, Relay(listening, functools.partial(self._connect, reader))
        return self._open[reader][0]

    def end(self, reader: str) -> None:
        """Let a reader receive nothing more."""
        self._sources.pop(reader, None)
        self.cut()

    def cut(self) -> None:
        """Reset the links that faults cut, or that have ended."""
        for reader, (_, link) in list(self._open.items()):
            if self._upstream(reader) is None:
                link.cut()

    def forget(self, reader: str) -> None:
        """Close the link of a reader."""
        self._sources.pop(reader, None)
        if link := self._open.pop(reader, None):
            link[1].stop()

    def short_folder(self) -> Path:
        """Return a new folder with a path that is short enough for a Unix socket."""
        folder = self._sockets
        if len(os.fsencode(folder / "99999" / LONGEST)) > SOCKET_BYTES:
            self._temporary = self._temporary or tempfile.TemporaryDirectory(prefix="pg-")
            folder = Path(self._temporary.name)
        made = folder / str(next(self._numbers))
        made.mkdir(parents=True)
        return made

    def stop(self) -> None:
        """Delete the folders that are not below that of the sockets."""
        if self._temporary:
            self._temporary.cleanup()

    def _connect(self, reader: str) -> socket.socket:
        upstream = self._upstream(reader)
        if upstream is None:
            raise ConnectionError("replication is cut")
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.connect(str(upstream.socket))
        return found

    def _upstream(self, reader: str) -> Server | None:
        """Return the server that a reader receives from now; None while it receives nothing."""
        if reader not in self._sources:
            return None
        server, regions = self._sources[reader]
        cut = self._faults.unreachable(*regions) or self._faults.database_lag(regions[1])
        return None if cut or not server.running else server
