"""Server of the sandbox: emulates AWS on loopback, with Kubernetes clusters for EKS and chart repositories.

`python -m sandbox.server --state DIR` serves until SIGTERM. Tests use `running()`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from dr.errors import Invalid
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours import backups
from sandbox.aws.behaviours.functions import Functions
from sandbox.aws.behaviours.messages import Messages
from sandbox.aws.behaviours.recovery_points import AURORA
from sandbox.aws.emulator import Emulator
from sandbox.aws.faults import Faults
from sandbox.aws.front import Front
from sandbox.aws.name_server import NameServer
from sandbox.aws.server import address, listen, serve
from sandbox.aws.world import World
from sandbox.charts.sites import Sites
from sandbox.clusters.clusters import Clusters
from sandbox.databases.databases import Databases
from sandbox.engine import fork_server
from sandbox.local import ROOT, Local
from sandbox.toolchain.kubernetes_binaries import KUBERNETES, Binaries, in_folder

POLL_SECONDS = 0.05
"""Interval in seconds at which the server checks for a shutdown request."""


@dataclass(frozen=True)
class Running:
    """Components of a running server."""

    endpoint: str
    authority: Authority
    clusters: Clusters
    databases: Databases
    sites: Sites
    emulator: Emulator
    names: NameServer

    @property
    def front(self) -> Front:
        """HTTP front end that routes requests to the components."""
        return Front(self.emulator, self.authority, self.sites)

    def client(self, service: str, region: str, **options: Any) -> Any:
        """Return a boto3 client for the emulator."""
        return client_of(self.endpoint, service, region, **options)

    def stop(self) -> None:
        """Stop all threads and processes of the components."""
        self.names.stop()
        self.emulator.stop()
        self.databases.stop()
        self.clusters.stop()
        self.sites.stop()


def compose(endpoint: str, folder: Path, binaries: Binaries | None) -> Running:
    """Create the components of a server.

    Args:
        endpoint: URL of the server.
        folder: Folder for clusters, charts and the certificate of the certificate authority.
        binaries: Programs of a Kubernetes control plane; without them, EKS clusters have no API server.
    """
    faults, authority = Faults(), Authority(folder)
    # A client takes longer to make than a call, and the components make some of theirs once a minute.
    client = functools.cache(functools.partial(client_of, endpoint))
    clusters = Clusters(endpoint, client, faults, authority, binaries, folder)
    databases = Databases(faults, authority, folder)
    world = World(faults, Messages(faults), Functions(endpoint, authority), clusters, databases, client)
    sites, emulator = Sites(folder / "charts", faults), Emulator(world)
    return Running(endpoint, authority, clusters, databases, sites, emulator, NameServer(world))


def client_of(endpoint: str, service: str, region: str, **options: Any) -> Any:
    """Return a boto3 client for the server at an endpoint."""
    return _session().client(service, region_name=region, endpoint_url=endpoint, **options)


@functools.cache
def _session() -> boto3.Session:
    # One shared session, because each session loads botocore's service models.
    return boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox")


@contextlib.contextmanager
def running(port: int = 0, *, kubernetes: bool = False) -> Iterator[Running]:
    """Serve an empty AWS from threads of this process until the block ends. Its clock advances only on request.

    Args:
        port: Port to listen on; 0 for a free port.
        kubernetes: Whether EKS clusters have a Kubernetes control plane; missing programs are built first.
    """
    folder = tempfile.TemporaryDirectory(prefix="emulator-")
    binaries = KUBERNETES.ensure(lambda text, share: None) if kubernetes else None
    listening = listen(port)
    parts = compose(address(listening), Path(folder.name), binaries)
    parts.emulator.reset()
    server = serve(parts.front, listening)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True)
    thread.start()
    parts.emulator.replication.start()
    try:
        yield parts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        parts.stop()
        folder.cleanup()


def main() -> None:
    """Serve in the foreground until SIGTERM or SIGINT; write the servers' addresses to DIR/emulator.json."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.server", description="Serve AWS until SIGTERM.")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="where emulator.json is written")
    parser.add_argument("--port", type=int, default=0, help="default: a free port")
    parser.add_argument(
        "--kubernetes", type=Path, metavar="FOLDER", help="programs of a control plane; default: EKS without Kubernetes"
    )
    parser.add_argument("--owner", type=int, metavar="PID", help="process with which the server ends")
    arguments = parser.parse_args()
    try:
        binaries = in_folder(arguments.kubernetes) if arguments.kubernetes else None
    except Invalid as error:
        sys.exit(str(error))
    try:
        listening = listen(arguments.port)
    except OSError as error:
        sys.exit(f"port {arguments.port} cannot be bound ({error}); leave --port out to take a free one")
    arguments.state.mkdir(parents=True, exist_ok=True)
    _serve(listening, arguments.state, binaries, arguments.owner)


def _serve(listening: socket.socket, folder: Path, binaries: Binaries | None, owner: int | None) -> None:
    parts = compose(address(listening), folder, binaries)
    emulator, server = parts.emulator, serve(parts.front, listening)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A new thread, because shutdown() waits for serve_forever(), which runs in this thread.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    if owner:
        threading.Thread(target=_end_with, args=(owner, server.shutdown), name="owner", daemon=True).start()
    # Accounts that used AWS Backup before it knew Aurora have not; there, each preview warns (dr/preflight).
    backups.opted_in_at_first(AURORA)
    emulator.replication.start()
    emulator.minutes.start()
    forks = Local(folder, ROOT).forks
    forking = fork_server.start(forks)
    file = folder / "emulator.json"
    written = {
        "pid": emulator.pid,
        "port": server.port,
        "endpoint": parts.endpoint,
        "resolver": parts.names.address,
        "authority": str(parts.authority.file),
        "id": emulator.id,
        "started": emulator.started,
    }
    draft = file.with_suffix(f".{emulator.pid}")
    draft.write_text(json.dumps(written))
    draft.replace(file)
    try:
        server.serve_forever(poll_interval=POLL_SECONDS)
    finally:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(file.read_text())["id"] == emulator.id:
                file.unlink()
                parts.authority.file.unlink()
        server.server_close()
        fork_server.stop(forking, forks)
        parts.stop()


def _end_with(owner: int, end: Callable[[], None]) -> None:
    """Wait until a process has ended, even if it was killed."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(owner).wait()
    end()


if __name__ == "__main__":
    main()
