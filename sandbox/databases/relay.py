"""Relays between a client and a server that can be cut, as a network can."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

CHUNK_BYTES = 1 << 16
Connect = Callable[[], socket.socket]
"""Connects to what a relay leads to. Raises OSError where it cannot be reached."""


class Relay:
    """Accepts connections from threads and passes their bytes on, until `stop`.

    Args:
        listening: The socket to accept on.
        connect: Connects to the target.
    """

    def __init__(self, listening: socket.socket, connect: Connect) -> None:
        self._listening, self._connect = listening, connect
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._stopped = False
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def cut(self) -> None:
        """Reset all connections that are open."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Accept no more, and reset all connections."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="relay", daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = self._connect()
        except BaseException as error:
            # Lingering for 0 s resets the connection instead of ending it politely.
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
            if isinstance(error, OSError):
                return
            raise
        with self._lock:
            self._open |= {near, far}
        back = threading.Thread(target=_copy, args=(far, near), name="relay", daemon=True)
        back.start()
        _copy(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
