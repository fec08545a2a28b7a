"""One PostgreSQL server: a writer, or a standby that receives the writer's log."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from dr.errors import Failed, Problem
from sandbox.control_plane.supervised import Supervised
from sandbox.databases.programs import Programs

ADMINISTRATOR = "rdsadmin"
"""Superuser of AWS, which no client has (Aurora user guide, "Understanding the rds_superuser role")."""
START_SECONDS = 60.0
ATTEMPTS = 3
"""How often a server may end while it starts."""
RUN_SECONDS = 300.0
POLL_SECONDS = 0.05
SOCKET = ".s.PGSQL.5432"
LOG = re.compile(r"[0-9A-F]{24}|[0-9A-F]{8}\.history")
"""Files of the write-ahead log, and of where a timeline began."""
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = {sockets}
unix_socket_permissions = 0700
port = 5432
shared_buffers = 16MB
huge_pages = off
fsync = off
wal_log_hints = on
wal_keep_size = 64MB
wal_retrieve_retry_interval = 200ms
archive_mode = always
archive_command = {archive}
hot_standby_feedback = on
password_encryption = scram-sha-256
timezone = UTC
log_timezone = UTC
ssl = on
ssl_cert_file = {certificate}
ssl_key_file = {certificate}
"""
ACCESS = """
local all all trust
local replication all trust
hostssl all all 127.0.0.0/8 scram-sha-256
"""
"""Connections of clients need TLS (Aurora user guide, "Requiring an SSL/TLS connection to an Aurora PostgreSQL DB
cluster": rds.force_ssl is 1 by default from version 17 on). The local socket is the sandbox's own."""


class Server:
    """A server and its files.

    Args:
        programs: PostgreSQL.
        folder: Folder of its files.
        sockets: A folder with a short path for its socket.
        certificate: Private key and certificate of its endpoints, in PEM.
    """

    def __init__(self, programs: Programs, folder: Path, sockets: Path, certificate: bytes) -> None:
        self._programs, self.folder, self.sockets = programs, folder, sockets
        self.data, self.archive, self.base = folder / "data", folder / "archive", folder / "base"
        self._certificate = folder / "certificate.pem"
        self._supervised = Supervised(folder / "state.json")
        self.archive.mkdir(parents=True, exist_ok=True)
        sockets.mkdir(parents=True, exist_ok=True)
        self._certificate.write_bytes(certificate)
        self._certificate.chmod(0o600)
        self.port = 0

    # Making ----------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Create an empty database server, and its first backup, which a restore to any later time begins with."""
        arguments = ("--no-locale", "-E", "UTF8", "--no-sync", "-A", "trust", "--wal-segsize=1", "--no-instructions")
        self._run("initdb", "-D", self.data, "-U", ADMINISTRATOR, *arguments)
        shutil.copytree(self.data, self.base)
        self._configure()

    def copy(self, source: Path) -> None:
        """Create a standby from a backup of another server.

        Args:
            source: Folder of a socket that leads to that server.
        """
        shutil.rmtree(self.data, ignore_errors=True)
        self._run("pg_basebackup", "-D", self.data, "-d", _address(source), "-X", "stream", "-c", "fast", "--no-sync")
        self._configure()
        self.follow(source)

    def restore(self, source: Server, until: datetime | None) -> None:
        """Create a server that has the data of another one at a time.

        Args:
            source: The other server, whether it runs or not.
            until: The time; None for the latest.
        """
        if source.running and not source.in_recovery:
            # A restore ends at the first commit after its time, so there has to be one.
            source.sql("select pg_current_xact_id()")
            source.sql("select pg_switch_wal()")
        shutil.copytree(source.base, self.data)
        shutil.copytree(source.base, self.base)
        shutil.copytree(source.archive, self.archive, dirs_exist_ok=True)
        for each in (source.data / "pg_wal").iterdir():
            if LOG.fullmatch(each.name) and not (self.archive / each.name).exists():
                shutil.copy(each, self.archive / each.name)
        self._configure()
        target = f"recovery_target_time = '{until.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}'\n" if until else ""
        command = _setting(f"cp {shlex.quote(f'{self.archive}/%f')} %p")
        settings = f"restore_command = {command}\n{target}recovery_target_action = 'promote'\n"
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(settings)
        (self.data / "recovery.signal").touch()

    def follow(self, source: Path) -> None:
        """Make the stopped server a standby of another one."""
        (self.data / "postgresql.auto.conf").write_text(f"primary_conninfo = {_setting(_address(source))}\n")
        (self.data / "standby.signal").touch()

    def rejoin(self, source: Path) -> None:
        """Make a stopped former writer a standby of the new one: its changes since are undone, or all is copied again.

        Args:
            source: Folder of a socket that leads to the new writer.
        """
        try:
            self._run("pg_rewind", "-D", self.data, f"--source-server={_address(source)} dbname=postgres", "--no-sync")
        except Failed:
            self.copy(source)
            return
        self._configure()
        self.follow(source)

    # Running ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it answers. Raises Failed."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.port = _free_port()
        process = {
            "name": "postgres",
            "command": self._programs.command("postgres", "-D", self.data, "-p", str(self.port)),
            "log": str(self.folder / "log"),
            "environment": {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "end": "SIGINT",
        }
        self._supervised.start()
        self._supervised.add([process])
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > end or self._ended > ATTEMPTS:
                self.stop()
                raise self._failure("PostgreSQL does not start", (self.folder / "log").read_text(errors="replace"))
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server, after its standbys have received what was committed."""
        self._supervised.stop()

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._supervised.started

    @property
    def socket(self) -> Path:
        """Its Unix socket."""
        return self.sockets / f".s.PGSQL.{self.port}"

    @property
    def in_recovery(self) -> bool:
        """Whether it is a standby, or a restore is not complete."""
        return self.sql("select pg_is_in_recovery()") == "t"

    def promote(self) -> None:
        """Make a standby a writer."""
        self.sql(f"select pg_promote(true, {int(START_SECONDS)})")
        self.sql("checkpoint")  # pg_rewind reads the new timeline from what a checkpoint writes

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run SQL as the administrator; return the values, one row a line. Raises Failed."""
        address = ("-h", str(self.sockets), "-p", str(self.port), "-U", ADMINISTRATOR, "-d", database)
        return self._run("psql", *address, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text).strip()

    def delete(self) -> None:
        """Stop the server and delete its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.sql("select 1")
        except Failed:
            return False
        return True

    @property
    def _ended(self) -> int:
        """How often the process has ended since its start."""
        try:
            return int(json.loads(self._supervised.state.read_text())["postgres"]["ended"])
        except (OSError, ValueError, KeyError):
            return 0

    def _configure(self) -> None:
        written = CONFIGURATION.format(
            sockets=_setting(str(self.sockets)),
            archive=_setting(f"cp %p {shlex.quote(f'{self.archive}/%f')}"),
            certificate=_setting(str(self._certificate)),
        )
        (self.data / "postgresql.conf").write_text(written)
        (self.data / "pg_hba.conf").write_text(ACCESS)
        (self.data / "recovery.signal").unlink(missing_ok=True)
        (self.data / "standby.signal").unlink(missing_ok=True)
        (self.data / "postgresql.auto.conf").write_text("")

    def _run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            self._programs.command(program, *arguments),
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise self._failure(f"{program} failed", done.stderr)
        return done.stdout

    def _failure(self, fact: str, output: str) -> Failed:
        tail = " ".join(output.split())[-300:]
        return Failed(Problem(f"PostgreSQL in {self.folder}", f"{fact}: {tail}", "see the log in its folder"))


def _address(sockets: Path) -> str:
    """Return the connection string of a server (PostgreSQL documentation, "Connection Strings")."""
    escaped = str(sockets).replace("\\", "\\\\").replace("'", "\\'")
    return f"host='{escaped}' port=5432 user={ADMINISTRATOR}"


def _setting(text: str) -> str:
    """Return a value of a configuration file (PostgreSQL documentation, "Setting Parameters")."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
