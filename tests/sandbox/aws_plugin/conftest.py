"""The stand-in for the AWS plugin, called as by the engine: over gRPC, with its own emulator."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.aws_plugin.plugin import to_struct
from sandbox.aws_plugin.provider import Provider
from sandbox.server import Running, running
from tests.sandbox.aws_plugin.harness import Engine


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def engine(emulator: Running) -> Iterator[Engine]:
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", emulator.endpoint)
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"region": "us-east-1"})))
        yield Engine(stub, emulator)
    server.stop(grace=None).wait()


@pytest.fixture(autouse=True)
def _sandbox(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint)
