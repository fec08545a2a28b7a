"""Endpoints as addresses: each name gets a loopback address of its own, with the port that AWS gives the cluster."""

from __future__ import annotations

import contextlib
import functools
import random
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address

from dr.errors import Failed, Problem
from sandbox.aws.faults import Faults
from sandbox.databases import clusters, programs
from sandbox.databases.relay import Relay

DOMAIN = ".rds.amazonaws.com"
FIRST = int(IPv4Address("127.100.0.1"))
ADDRESSES = 1 << 20
"""Number of loopback addresses from FIRST on."""
ATTEMPTS = 50


class Doors:
    """The addresses of endpoints, from the first look-up of their name on.

    Args:
        faults: Injected faults.
        connect: Connects a client of an endpoint, by its name, to the server. Raises OSError.
    """

    def __init__(self, faults: Faults, connect: Callable[[str], socket.socket]) -> None:
        self._faults, self._connect = faults, connect
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, Relay]] = {}

    def address_of(self, name: str) -> str | None:
        """Return the address of an endpoint; None for another name.

        Raises:
            Failed: This machine cannot run PostgreSQL.
        """
        found = clusters.endpoint(name) if name.endswith(DOMAIN) else None
        if found is None:
            return None
        if reason := programs.lacking():
            remedy = "install what is missing, and start the sandbox again"
            raise Failed(Problem(f"the database at {name}", reason, remedy))
        with self._lock:
            if name not in self._open:
                address, listening = _listen(int(found.cluster.port))
                self._open[name] = address, Relay(listening, functools.partial(self._connect, name))
            return self._open[name][0]

    def cut(self) -> None:
        """Reset the connections to endpoints that are gone, or in a region that is unreachable."""
        for name, (_, door) in list(self._open.items()):
            found = clusters.endpoint(name)
            if found is None or self._faults.unreachable(found.cluster.region):
                door.cut()

    def forget(self) -> None:
        """Close all."""
        with self._lock:
            for _, door in self._open.values():
                door.stop()
            self._open.clear()


def _listen(port: int) -> tuple[str, socket.socket]:
    for _ in range(ATTEMPTS):
        address = str(IPv4Address(FIRST + random.randrange(ADDRESSES)))  # noqa: S311 - not a secret
        with contextlib.suppress(OSError):
            return address, socket.create_server((address, port))
    raise Failed(Problem("the sandbox's databases", f"no loopback address has port {port} free", "stop what uses it"))
