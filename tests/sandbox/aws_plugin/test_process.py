"""The stand-in for the AWS plugin as a process, started and ended as by the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.aws_plugin.plugin import to_struct

PROJECT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "sandbox.aws_plugin.provider", "127.0.0.1:1"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    environment.pop("AWS_ENDPOINT_URL", None)
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_plugin_prints_its_port_answers_and_ends_on_a_signal(process: subprocess.Popen[str], number: int) -> None:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        assert stub.GetPluginInfo(Empty()).version.count(".") == 2
        stub.Cancel(Empty())
    process.send_signal(number)
    # After five seconds the engine would kill the plugin and report a bug.
    assert process.wait(timeout=4) == 0
    assert process.stdout.read() == ""


def test_plugin_refuses_to_configure_without_the_sandbox(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        with pytest.raises(grpc.RpcError, match="this stand-in only talks to the sandbox") as caught:
            stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"region": "us-east-1"})))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
