"""A PostgreSQL server for each Aurora PostgreSQL cluster, from its first client on.

The API says which cluster of a global cluster is the writer; the servers follow it: readers stream the log of the
writer, one that became the writer is promoted, and the former writer rejoins by pg_rewind, or by a new copy. Between
regions the log goes through a relay, which is cut while either region is unreachable or a fault stops replication. So
what a failover loses is what was not received.

Simplified: an instance has no server of its own; clients come from inside the VPC of the cluster, and its security
groups are not asked; times are the machine's, also while the sandbox's clock is ahead.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from datetime import datetime
from pathlib import Path

from moto.rds.models import DBCluster

from dr.errors import Failed, Problem
from sandbox.aws.authority import Authority
from sandbox.aws.faults import Faults
from sandbox.databases import clusters, programs
from sandbox.databases.clusters import key_of
from sandbox.databases.doors import Doors
from sandbox.databases.links import Links
from sandbox.databases.server import Server

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
        self._former: dict[str, Server] = {}
        self._links, self._doors = Links(faults, self._folder / "sockets"), Doors(faults, self._connect)
        self._passwords: dict[str, str] = {}
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._following: threading.Thread | None = None
        shutil.rmtree(self._folder, ignore_errors=True)  # left by a killed emulator

    # What others call ------------------------------------------------------------------------------------------------

    def address_of(self, name: str) -> str | None:
        """Return the loopback address at which an endpoint answers; None for another name.

        Raises:
            Failed: This machine cannot run PostgreSQL.
        """
        return self._doors.address_of(name)

    def restored(self, cluster: DBCluster, source: str, until: datetime | None) -> None:
        """Give a new cluster the data of another one, if any client ever connected to that.

        Args:
            cluster: The new cluster.
            source: Resource ID of the other one.
            until: The time; None for the latest.
        """
        with self._lock:
            if server := self._servers.get(source) or self._former.get(source):
                self._servers[key_of(cluster)] = new = self._new(cluster)
                new.restore(server, until)
                new.start()

    def changed(self) -> None:
        """Have the servers follow a change of the API or of faults, soon; what a fault cuts is cut at once."""
        self._links.cut()
        self._doors.cut()
        self._wake.set()

    def settle(self) -> None:
        """Have the servers that run follow what the API says, and wait for it. Raises Failed."""
        with self._lock:
            known = {key_of(each): each for each in clusters.clusters()}
            for key in self._servers.keys() - known.keys():
                self._servers[key].stop()  # its files stay, as snapshots of a deleted cluster do
                self._former[key] = self._servers.pop(key)
            groups = {key_of(writer): (writer, readers) for writer, readers in map(clusters.group_of, known.values())}
            for writer, readers in groups.values():
                if any(key_of(each) in self._servers for each in (writer, *readers)):
                    self._follow(writer, readers)

    def sql(self, region: str, identifier: str, text: str, database: str = "postgres") -> str:
        """Run SQL as the administrator on a cluster's server, whatever its region's faults; one row a line.

        Raises:
            Failed: The SQL failed, or the cluster cannot have a server.
        """
        subject = f"DB cluster {identifier}"
        with self._lock:
            for each in clusters.clusters():
                if (each.region, each.db_cluster_identifier) == (region, identifier):
                    if key_of(each) not in self._servers and clusters.has_instance(each):
                        self._start(each)
                    if server := self._servers.get(key_of(each)):
                        return server.sql(text, database)
                    remedy = "it needs an instance, in a region that answers"
                    raise Failed(Problem(subject, f"it has no server in {region}", remedy))
        raise Failed(Problem(subject, f"it does not exist in {region}", "`aws rds describe-db-clusters` lists them"))

    def forget(self) -> None:
        """Stop and delete all servers."""
        with self._lock:
            self._doors.forget()
            self._servers |= self._former
            self._former.clear()
            for key in list(self._servers):
                self._forget(key)

    def stop(self) -> None:
        """Stop everything and delete all files."""
        self._stopped.set()
        self._wake.set()
        if self._following:
            self._following.join()
        self.forget()
        self._links.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    # Connections -----------------------------------------------------------------------------------------------------

    def _connect(self, name: str) -> socket.socket:
        """Connect a client of an endpoint to its server, and start that before. Raises OSError."""
        found = clusters.endpoint(name)
        if found is None or self._faults.unreachable(found.cluster.region):
            raise ConnectionError(f"{name} cannot be reached")
        writer, _ = clusters.group_of(found.cluster)
        if not clusters.has_instance(found.cluster) or (found.writes and writer is not found.cluster):
            raise ConnectionError(f"{name} leads to no instance")
        with self._lock:
            try:
                self._start(found.cluster)
                server = self._servers[key_of(found.cluster)]
            except (Failed, KeyError) as error:
                raise ConnectionError(str(error)) from error
        return socket.create_connection(("127.0.0.1", server.port))

    def _start(self, cluster: DBCluster) -> None:
        """Start the servers of a cluster and of its readers, as for the first client. Raises Failed."""
        writer, readers = clusters.group_of(cluster)
        self._follow(writer, readers)
        self._start_following()

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

    def _follow(self, writer: DBCluster, readers: tuple[DBCluster, ...]) -> None:
        """Have the servers of a global cluster, or of one cluster, do what they are to do."""
        if self._faults.unreachable(writer.region):
            return
        key = key_of(writer)
        server = self._servers.get(key)
        if server is None:
            server = self._create(writer)
        if server.in_recovery:
            self._hand_over(key, server, readers)
            self._links.end(key)
        self._set_password(writer, server)
        for each in readers:
            if not self._faults.unreachable(each.region):
                self._follow_writer(each, writer)

    def _create(self, cluster: DBCluster) -> Server:
        server = self._new(cluster)
        server.create()
        server.start()
        self._servers[key_of(cluster)] = server
        return server

    def _hand_over(self, key: str, server: Server, readers: tuple[DBCluster, ...]) -> None:
        """Promote a standby, after the former writer has sent all that it committed, if it can be reached."""
        for each in readers:
            former = self._servers.get(key_of(each))
            if former and not self._faults.unreachable(each.region) and not former.in_recovery:
                if clusters.is_returning(each):
                    self._links.end(key)
                former.stop()
        server.promote()

    def _follow_writer(self, reader: DBCluster, writer: DBCluster) -> None:
        key = key_of(reader)
        link = self._links.lead(key, self._servers[key_of(writer)], (writer.region, reader.region))
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

    def _set_password(self, cluster: DBCluster, server: Server) -> None:
        """Create the master user and the database, and follow changes of the password."""
        found = clusters.credentials(cluster)
        if found is None or self._passwords.get(key_of(cluster)) == found[1]:
            return
        name, password = (each.replace("'", "''") for each in found)
        if not server.sql(f"select 1 from pg_roles where rolname = '{name}'"):  # noqa: S608 - quoted
            server.sql(f'create role "{name}" login createrole createdb in role pg_monitor, pg_signal_backend')
            if cluster.database_name:
                server.sql(f'create database "{cluster.database_name}" owner "{name}"')
        server.sql(f"alter role \"{name}\" password '{password}'")
        self._passwords[key_of(cluster)] = found[1]

    def _new(self, cluster: DBCluster) -> Server:
        names = [cluster.endpoint, cluster.reader_endpoint, *(each.address for each in cluster.members)]
        certificate = self._authority.certificate(*names)
        return Server(programs.find(), self._folder / key_of(cluster), self._links.short_folder(), certificate)

    def _forget(self, key: str) -> None:
        self._links.forget(key)
        self._passwords.pop(key, None)
        self._servers.pop(key).delete()
