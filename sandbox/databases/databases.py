"""A PostgreSQL server for each Aurora PostgreSQL cluster, from the first connection to one of its endpoints on.

The API says which cluster of a global cluster is the writer; the servers follow it: readers stream the log of the
writer, one that became the writer is promoted, and the former writer rejoins by pg_rewind, or by a new copy. Between
regions the log goes through a relay, which is cut while either region is unreachable or a fault stops replication. So
what a failover loses is what was not received.

Simplified: an instance has no server of its own; clients come from inside the VPC of the cluster, and its security
groups are not asked; times are the machine's, also while the sandbox's clock is ahead.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
import shutil
import socket
import tempfile
import threading
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from dr.errors import Failed, Problem
from sandbox.aws.authority import Authority
from sandbox.aws.faults import Faults
from sandbox.databases import clusters, programs
from sandbox.databases.clusters import key_of
from sandbox.databases.relay import Relay
from sandbox.databases.server import SOCKET, Server

DOMAIN = ".rds.amazonaws.com"
FIRST = int(IPv4Address("127.100.0.1"))
ADDRESSES = 1 << 20
"""Loopback addresses from FIRST on, of which each endpoint gets one, so that its port is the one that AWS gives it."""
ATTEMPTS = 50
FOLLOW_SECONDS = 0.5
"""Interval at which servers follow what the API says, once the first runs."""


class Databases:
    """Databases of the emulated AWS. Implements `sandbox.aws.world.Databases`.

    Args:
        faults: Injected faults.
        authority: Signs the certificates of endpoints.
        folder: Folder of `databases`, which is emptied first.
    """

    def __init__(self, faults: Faults, authority: Authority, folder: Path) -> None:
        self._faults, self._authority, self._folder = faults, authority, folder / "databases"
        self._lock = threading.RLock()
        self._servers: dict[str, Server] = {}
        self._links: dict[str, tuple[Path, Relay]] = {}
        self._sources: dict[str, tuple[str, tuple[str, str]]] = {}
        self._doors: dict[str, tuple[str, Relay]] = {}
        self._passwords: dict[str, str] = {}
        self._sockets: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = itertools.count(1)
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._following: threading.Thread | None = None
        shutil.rmtree(self._folder, ignore_errors=True)  # left by a killed emulator

    # What others call ------------------------------------------------------------------------------------------------

    def address_of(self, name: str) -> str | None:
        """Return the loopback address at which an endpoint answers; None for another name.

        Raises:
            Failed: This machine cannot run PostgreSQL.
        """
        found = clusters.endpoint(name) if name.endswith(DOMAIN) else None
        if found is None:
            return None
        if reason := programs.lacking():
            raise Failed(
                Problem(f"the database at {name}", reason, "install what is missing, and start the sandbox again")
            )
        with self._lock:
            if name not in self._doors:
                address, listening = _listen(int(found.cluster.port))
                self._doors[name] = address, Relay(listening, functools.partial(self._connect, name))
            return self._doors[name][0]

    def restored(self, cluster: Any, source: Any, until: str | None) -> None:
        """Note that a cluster was restored from another one.

        Args:
            cluster: The new cluster.
            source: The other one.
            until: The time, ISO 8601; None for the latest.
        """
        with self._lock:
            if server := self._servers.get(key_of(source)):
                self._servers[key_of(cluster)] = new = self._new(cluster)
                new.restore(server, until)
                new.start()

    def changed(self) -> None:
        """Have the servers follow a change of the API or of faults, soon; what a fault cuts is cut at once."""
        with self._lock:
            for key, (_, link) in self._links.items():
                if self._upstream(key) is None:
                    link.cut()
            for name, (_, door) in self._doors.items():
                found = clusters.endpoint(name)
                if found is None or self._faults.unreachable(found.cluster.region):
                    door.cut()
        self._wake.set()

    def settle(self) -> None:
        """Have the servers that run follow what the API says, and wait for it. Raises Failed."""
        with self._lock:
            known = {key_of(each): each for each in clusters.clusters()}
            for key in self._servers.keys() - known.keys():
                self._forget(key)
            groups = {key_of(writer): (writer, readers) for writer, readers in map(clusters.group_of, known.values())}
            for writer, readers in groups.values():
                if any(key_of(each) in self._servers for each in (writer, *readers)):
                    self._follow(writer, readers)

    def sql(self, region: str, identifier: str, text: str, database: str = "postgres") -> str:
        """Run SQL as the administrator on a cluster's server, whatever its region's faults; one row a line.

        Raises:
            Failed: The SQL failed, or nothing has connected to the cluster yet.
        """
        with self._lock:
            for each in clusters.clusters():
                if (each.region, each.db_cluster_identifier) == (region, identifier) and key_of(each) in self._servers:
                    return self._servers[key_of(each)].sql(text, database)
        raise Failed(
            Problem(f"DB cluster {identifier}", f"it has no server in {region}", "connect to its endpoint first")
        )

    def forget(self) -> None:
        """Stop and delete all servers."""
        with self._lock:
            for _, door in self._doors.values():
                door.stop()
            self._doors.clear()
            for key in list(self._servers):
                self._forget(key)

    def stop(self) -> None:
        """Stop everything and delete all files."""
        self._stopped.set()
        self._wake.set()
        if self._following:
            self._following.join()
        self.forget()
        if self._sockets:
            self._sockets.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    # Connections -----------------------------------------------------------------------------------------------------

    def _connect(self, name: str) -> socket.socket:
        """Connect a client of an endpoint to its server, and start that before. Raises OSError."""
        found = clusters.endpoint(name)
        if found is None or self._faults.unreachable(found.cluster.region):
            raise ConnectionError(f"{name} cannot be reached")
        writer, readers = clusters.group_of(found.cluster)
        if not found.cluster.members or (found.writes and writer is not found.cluster):
            raise ConnectionError(f"{name} leads to no instance")
        with self._lock:
            try:
                self._follow(writer, readers)
                server = self._servers[key_of(found.cluster)]
            except (Failed, KeyError) as error:
                raise ConnectionError(str(error)) from error
            self._start_following()
        return socket.create_connection(("127.0.0.1", server.port))

    def _start_following(self) -> None:
        if self._following is None:
            self._following = threading.Thread(target=self._keep_following, name="databases", daemon=True)
            self._following.start()

    def _keep_following(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(FOLLOW_SECONDS)
            self._wake.clear()
            with contextlib.suppress(Failed):  # tried again
                if not self._stopped.is_set():
                    self.settle()

    # Servers ---------------------------------------------------------------------------------------------------------

    def _follow(self, writer: Any, readers: tuple[Any, ...]) -> None:
        """Have the servers of a global cluster, or of one cluster, do what they are to do."""
        if self._faults.unreachable(writer.region):
            return
        key = key_of(writer)
        server = self._servers.get(key)
        if server is None:
            server = self._create(writer)
        if server.in_recovery:
            self._hand_over(server, readers)
            self._sources.pop(key, None)
        self._set_password(writer, server)
        for each in readers:
            if not self._faults.unreachable(each.region):
                self._follow_writer(each, writer)

    def _create(self, cluster: Any) -> Server:
        server = self._new(cluster)
        server.create()
        server.start()
        self._servers[key_of(cluster)] = server
        return server

    def _hand_over(self, server: Server, readers: tuple[Any, ...]) -> None:
        """Promote a standby, after the former writer has sent all that it committed, if it can be reached."""
        for each in readers:
            former = self._servers.get(key_of(each))
            if former and not self._faults.unreachable(each.region) and not former.in_recovery:
                former.stop()
        server.promote()

    def _follow_writer(self, reader: Any, writer: Any) -> None:
        key = key_of(reader)
        self._sources[key] = key_of(writer), (writer.region, reader.region)
        link = self._link(key)
        server = self._servers.get(key)
        if server is None:
            self._servers[key] = server = self._new(reader)
            try:
                server.copy(link)
                shutil.copytree(server.data, server.base)
                server.start()
            except Failed:
                self._servers.pop(key).delete()
                raise
        elif not server.running or not server.in_recovery:
            server.stop()
            server.rejoin(link)
            server.start()

    def _link(self, key: str) -> Path:
        """Return the folder of the socket by which a reader reaches its writer."""
        if key not in self._links:
            folder = self._short_folder()
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(str(folder / SOCKET))
            listening.listen()
            self._links[key] = folder, Relay(listening, functools.partial(self._connect_link, key))
        return self._links[key][0]

    def _connect_link(self, key: str) -> socket.socket:
        upstream = self._upstream(key)
        if upstream is None:
            raise ConnectionError("replication is cut")
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.connect(str(upstream.socket))
        return found

    def _upstream(self, key: str) -> Server | None:
        """Return the server that a reader receives from now; None while it receives nothing."""
        if key not in self._sources:
            return None
        source, regions = self._sources[key]
        server = self._servers.get(source)
        return (
            server
            if server is not None and server.running and not any(map(self._faults.unreachable, regions))
            else None
        )

    def _set_password(self, cluster: Any, server: Server) -> None:
        """Create the master user and the database, and follow changes of the password."""
        found = clusters.credentials(cluster)
        if found is None or self._passwords.get(key_of(cluster)) == found[1]:
            return
        name, password = (each.replace("'", "''") for each in found)
        if not server.sql(f"select 1 from pg_roles where rolname = '{name}'"):
            server.sql(f'create role "{name}" login createrole createdb in role pg_monitor, pg_signal_backend')
            if cluster.database_name:
                server.sql(f'create database "{cluster.database_name}" owner "{name}"')
        server.sql(f"alter role \"{name}\" password '{password}'")
        self._passwords[key_of(cluster)] = found[1]

    def _new(self, cluster: Any) -> Server:
        names = [cluster.endpoint, cluster.reader_endpoint, *(each.address for each in cluster.members)]
        certificate = self._authority.certificate(*names)
        return Server(programs.find(), self._folder / key_of(cluster), self._short_folder(), certificate)

    def _short_folder(self) -> Path:
        """Return a new folder with a path that is short enough for a Unix socket (unix(7): 107 bytes)."""
        if self._sockets is None:
            self._sockets = tempfile.TemporaryDirectory(prefix="pg-")
        folder = Path(self._sockets.name) / str(next(self._numbers))
        folder.mkdir()
        return folder

    def _forget(self, key: str) -> None:
        if link := self._links.pop(key, None):
            link[1].stop()
        self._passwords.pop(key, None)
        self._sources.pop(key, None)
        self._servers.pop(key).delete()


def _listen(port: int) -> tuple[str, socket.socket]:
    """Listen on a port of a loopback address of its own."""
    for _ in range(ATTEMPTS):
        address = str(IPv4Address(FIRST + random.randrange(ADDRESSES)))  # noqa: S311 - not a secret
        with contextlib.suppress(OSError):
            return address, socket.create_server((address, port))
    raise Failed(Problem("the sandbox's databases", f"no loopback address has port {port} free", "stop what uses it"))
