"""The provider as the engine meets it: over gRPC, with a real API server behind it and an engine's log to write to."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from sandbox.kubernetes.binaries import Binaries, ensure_binaries
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.control_plane import ControlPlane
from sandbox.kubernetes.provider import Provider
from sandbox.kubernetes.settings import Settings
from sandbox.plugin import to_struct
from tests.integration.kubernetes_plugin.harness import By, Hand
from tests.integration.provider.harness import Engine
from tests.support.control_plane import control_plane_in


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return ensure_binaries(lambda text, share: None)


@pytest.fixture(scope="session")
def control_plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane_in(tmp_path_factory.mktemp("kubernetes"), binaries) as plane:
        yield plane


@pytest.fixture(scope="session")
def hand(control_plane: ControlPlane) -> Hand:
    """Somebody who works on the cluster besides Pulumi."""
    return Hand(Cluster(Settings(kubeconfig=str(control_plane.admin_kubeconfig)).access()))


@pytest.fixture
def namespace(hand: Hand, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.partition("[")[0].replace("_", "-")[5:50].strip("-")
    hand.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, By.SOMEBODY)
    return name


@dataclass
class Log(engine_pb2_grpc.EngineServicer):
    """The engine's log."""

    lines: list[Any] = field(default_factory=list)

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC names its methods
        self.lines.append(request)
        return Empty()

    @property
    def text(self) -> str:
        return "\n".join(line.message for line in self.lines)


@pytest.fixture(scope="session")
def _log_server() -> Iterator[tuple[Log, str]]:
    log, server = Log(), grpc.server(ThreadPoolExecutor(max_workers=4))
    engine_pb2_grpc.add_EngineServicer_to_server(log, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield log, f"127.0.0.1:{port}"
    server.stop(grace=None).wait()


@pytest.fixture
def log(_log_server: tuple[Log, str]) -> Log:
    """What the engine was told during the test."""
    _log_server[0].lines.clear()
    return _log_server[0]


@contextmanager
def serving(log_address: str) -> Iterator[Any]:
    """A provider of its own, as each operation of the engine has one."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=log_address))
        yield stub
    server.stop(grace=None).wait()


@pytest.fixture(scope="session")
def stub(_log_server: tuple[Log, str]) -> Iterator[Any]:
    with serving(_log_server[1]) as stub:
        yield stub


@dataclass
class Kubernetes(Engine):
    """The engine, with a cluster."""

    kubeconfig: Path | None = None

    def configure(self, **settings: Any) -> None:
        """Configure the provider, as at the beginning of an operation."""
        given = {"kubeconfig": str(self.kubeconfig), "enableServerSideApply": "true", **settings}
        self.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(given)))


@pytest.fixture
def own_engine(_log_server: tuple[Log, str], control_plane: ControlPlane) -> Iterator[Kubernetes]:
    """One whose provider the test may cancel, or configure for another cluster."""
    with serving(_log_server[1]) as stub:
        yield Kubernetes(stub, None, control_plane.admin_kubeconfig)  # type: ignore[arg-type]


@pytest.fixture
def engine(stub: Any, control_plane: ControlPlane) -> Kubernetes:
    engine = Kubernetes(stub, None, control_plane.admin_kubeconfig)  # type: ignore[arg-type]
    engine.configure()
    return engine
