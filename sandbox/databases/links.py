"""The ways by which the log of a writer reaches its readers, which faults cut."""

from __future__ import annotations

import functools
import itertools
import socket
import tempfile
from pathlib import Path

from sandbox.aws.faults import Faults
from sandbox.databases.relay import Relay
from sandbox.databases.server import SOCKET, Server


class Links:
    """Sockets of readers that lead to their writers.

    Args:
        faults: Injected faults.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._sources: dict[str, tuple[Server, tuple[str, str]]] = {}
        self._open: dict[str, tuple[Path, Relay]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
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
        """Return a new folder with a path that is short enough for a Unix socket (unix(7): 107 bytes)."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="pg-")
        folder = Path(self._folder.name) / str(next(self._numbers))
        folder.mkdir()
        return folder

    def stop(self) -> None:
        """Delete the folders."""
        if self._folder:
            self._folder.cleanup()

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
