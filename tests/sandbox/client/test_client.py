"""What a client logs of each answer: an endpoint answers over TLS, at an address, through a proxy."""

from __future__ import annotations

import io
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from dr.errors import Failed, Problem
from dr.operations import client_log
from dr.operations.inference_probe import TOKEN
from sandbox.aws.authority import Authority
from sandbox.client.client import Client
from sandbox.client.endpoint import Endpoint
from sandbox.client.predictions import Predictions
from sandbox.client.resolver import CachingResolver, LookupFailedError, Resolved

NAME, ADDRESS = "inference.ml.example.com", "198.18.0.1"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SEVEN = {"model_version": "v1", "outputs": [{"data": [7]}]}


@dataclass
class Proxy:
    """A proxy that answers TLS as any host, and its answer."""

    status: int = 200
    body: str = json.dumps(SEVEN)
    tunnels: list[str] = field(default_factory=list)
    authorized: list[str | None] = field(default_factory=list)
    endpoint: Endpoint | None = None


class Resolver:
    """A resolver with a fixed answer."""

    def resolve(self, name: str) -> Resolved:
        return Resolved(ADDRESS, "LB-1.elb.us-west-2.amazonaws.com")


class NoResolver:
    def resolve(self, name: str) -> Resolved:
        raise LookupFailedError(f"{name} does not resolve: NXDOMAIN")


class Known:
    """Predictions of version v1: 7 for every row."""

    rows = ([0.0] * 64, [1.0] * 64)

    def of(self, region: str, version: str, row: int) -> int:
        if version != "v1":
            raise Failed(Problem("model set digits", f"{region} has no {version}", "publish it"))
        return 7


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    made, authority = Proxy(), Authority(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            made.tunnels.append(self.path)
            self.send_response_only(200)
            self.end_headers()
            try:
                self.request = authority.any_name().wrap_socket(self.connection, server_side=True)
            except (OSError, ssl.SSLError):
                self.close_connection = True
                return
            self.setup()
            self.close_connection = False

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            made.authorized.append(self.headers["Authorization"])
            body = made.body.encode()
            self.send_response_only(made.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.endpoint = Endpoint(NAME, f"http://127.0.0.1:{server.server_port}", authority.file)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def client(proxy: Proxy, file: io.StringIO | None = None, resolver: Any = None) -> Client:
    assert proxy.endpoint
    resolvers = cast("list[CachingResolver]", [resolver or Resolver()])
    regions = {"lb-1.elb.us-west-2.amazonaws.com": "us-west-2"}
    return Client(
        proxy.endpoint,
        resolvers,
        cast("Predictions", Known()),
        lambda: NOW,
        lambda name: regions.get(name.lower()),
        30.0,
        file or io.StringIO(),
    )


def test_right_answer_is_logged_with_its_address_region_and_both_times(proxy: Proxy) -> None:
    file = io.StringIO()
    client(proxy, file).send(3)
    (found,) = client_log.parse(file.getvalue())

    assert (found.number, found.status, found.right, found.version, found.error) == (3, 200, True, "v1", "")
    assert (found.address, found.region, found.resolver) == (ADDRESS, "us-west-2", 0)
    assert found.sent_modelled == NOW
    assert found.good
    assert found.seconds > 0
    assert proxy.tunnels == [f"{ADDRESS}:443"], "the address that DNS gave, with TLS for the name"


def test_client_sends_its_token_where_one_is_set(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    client(proxy).send(1)
    monkeypatch.setenv(TOKEN, "abc")
    client(proxy).send(2)

    assert proxy.authorized == [None, "Bearer abc"]


@pytest.mark.parametrize(
    ("body", "right", "error"),
    [
        ({"model_version": "v1", "outputs": [{"data": [8]}]}, False, ""),
        ({"model_version": "v1", "outputs": [{"data": [7, 7]}]}, False, ""),
        ({"model_version": "v2", "outputs": [{"data": [7]}]}, None, "version v2 cannot be compared"),
        ({"outputs": []}, False, "no prediction"),
        ([], False, "no prediction"),
    ],
    ids=["another", "too many", "unknown version", "no output", "no object"],
)
def test_answer_that_is_not_known_to_be_right_is_not_good(
    proxy: Proxy, body: object, right: bool | None, error: str
) -> None:
    proxy.body = json.dumps(body)
    found = client(proxy).request(0)

    assert (found.status, found.right, found.good) == (200, right, False)
    assert error in found.error


def test_error_status_is_logged_with_its_text(proxy: Proxy) -> None:
    proxy.status, proxy.body = 503, "no healthy upstream\n"
    found = client(proxy).request(0)

    assert (found.status, found.right, found.failed, found.error) == (503, None, True, "no healthy upstream")


def test_connection_that_fails_is_logged_with_its_address(proxy: Proxy) -> None:
    assert proxy.endpoint
    proxy.endpoint = Endpoint(NAME, "http://127.0.0.1:9", proxy.endpoint.authority)
    found = client(proxy).request(0)

    assert (found.status, found.address, found.region) == (None, ADDRESS, "us-west-2")
    assert found.error.startswith("ConnectionRefusedError")


def test_name_that_does_not_resolve_is_logged_without_an_address(proxy: Proxy) -> None:
    found = client(proxy, resolver=NoResolver()).request(0)

    assert (found.status, found.address, found.region) == (None, "", "")
    assert found.error == f"{NAME} does not resolve: NXDOMAIN"


def test_server_with_a_certificate_of_another_authority_is_refused(proxy: Proxy, tmp_path: Path) -> None:
    assert proxy.endpoint
    (tmp_path / "other").mkdir()
    proxy.endpoint = Endpoint(NAME, proxy.endpoint.proxy, Authority(tmp_path / "other").file)

    assert client(proxy).request(0).error.startswith("SSLCertVerificationError")
