"""The sandbox's server: AWS on loopback, with Kubernetes behind EKS and the hosts of charts.

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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from dr.errors import Invalid
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours.functions import Functions
from sandbox.aws.behaviours.messages import Messages
from sandbox.aws.emulator import Emulator
from sandbox.aws.faults import Faults
from sandbox.aws.front import Front
from sandbox.aws.server import address, listen, serve
from sandbox.aws.world import World
from sandbox.charts.hosts import ChartHosts
from sandbox.clusters.clusters import Clusters
from sandbox.engine import fork_server
from sandbox.local import ROOT, Local
from sandbox.toolchain.kubernetes_binaries import KUBERNETES, Binaries, in_folder

POLL_SECONDS = 0.05
"""How often the server looks whether it is to shut down."""


@dataclass(frozen=True)
class Running:
    """A server and its parts."""

    endpoint: str
    authority: Authority
    clusters: Clusters
    charts: ChartHosts
    emulator: Emulator

    @property
    def front(self) -> Front:
        """Routes requests to the parts."""
        return Front(self.emulator, self.authority, self.charts)

    def client(self, service: str, region: str, **options: Any) -> Any:
        """Make a boto3 client of the emulator."""
        return self.emulator.world.client(service, region, **options)

    def stop(self) -> None:
        """Stop all threads and processes of the parts."""
        self.emulator.stop()
        self.clusters.stop()
        self.charts.stop()


def compose(endpoint: str, folder: Path, binaries: Binaries | None) -> Running:
    """Compose a server.

    Args:
        endpoint: URL that it serves on.
        folder: Where clusters, charts and the authority's certificate are kept.
        binaries: Programs of a control plane; without them EKS has no Kubernetes.
    """
    faults, authority = Faults(), Authority(folder)
    client = functools.partial(_client, endpoint)
    clusters = Clusters(endpoint, client, faults, binaries, folder)
    world = World(faults, Messages(faults), Functions(endpoint, authority), clusters, client)
    return Running(endpoint, authority, clusters, ChartHosts(folder / "charts"), Emulator(world))


def _client(endpoint: str, service: str, region: str, **options: Any) -> Any:
    return _session().client(service, region_name=region, endpoint_url=endpoint, **options)


@functools.cache
def _session() -> boto3.Session:
    # Shared, because every session reads botocore's service models.
    return boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox")


@contextlib.contextmanager
def running(port: int = 0, *, kubernetes: bool = False) -> Iterator[Running]:
    """Serve an empty AWS from threads of this process until the block ends. Its clock moves on request only.

    Args:
        port: The port; 0 takes a free one.
        kubernetes: Whether EKS has Kubernetes; its programs are built first where they are absent.
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
    """Serve in the foreground until SIGTERM or SIGINT, and describe the server in DIR/emulator.json."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.server", description="Serve AWS until SIGTERM.")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="where emulator.json is written")
    parser.add_argument("--port", type=int, default=0, help="default: a free port")
    parser.add_argument(
        "--kubernetes", type=Path, metavar="FOLDER", help="programs of a control plane; default: EKS without Kubernetes"
    )
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
    _serve(listening, arguments.state, binaries)


def _serve(listening: socket.socket, folder: Path, binaries: Binaries | None) -> None:
    parts = compose(address(listening), folder, binaries)
    emulator, server = parts.emulator, serve(parts.front, listening)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever, which runs in this very thread.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    emulator.replication.start()
    emulator.minutes.start()
    forks = Local(folder, ROOT).forks
    forking = fork_server.start(forks)
    file = folder / "emulator.json"
    written = {
        "pid": emulator.pid,
        "port": server.port,
        "endpoint": parts.endpoint,
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


if __name__ == "__main__":
    main()
