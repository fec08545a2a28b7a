"""Attacks on the inference endpoint: the real proxy with the program's configuration, in front of a real model server.

Requests are sent as bytes, as a client on the internet can send them: a library would correct many of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from components.kubernetes import inference_spec, mesh_spec, proxy_spec
from components.kubernetes.inference_spec import SERVER_PORT
from dr.topology.serving import Authentication, AuthenticationMode, Serving
from sandbox.clusters.mlserver import lacking
from sandbox.clusters.proxy import Proxy, ProxyConnection
from sandbox.clusters.serving import LISTENER, ModelServer
from sandbox.model_set import NAME, train
from tests.support.kubernetes import spec
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "MLServer is installed")

ROW = [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0] * 8
INFER = f"/v2/models/{NAME}/infer"
READY = Serving().ready_path
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP64", "data": ROW}]}).encode()
UNLOAD = f"/v2/repository/models/{NAME}/unload"
SECONDS = 20.0
DRIP_SECONDS = 0.3
ISSUER, AUDIENCE = "https://login.example.com", "inference"
KEY = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
OTHER = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "two"}, private=True)
KEYS = json.dumps({"keys": [KEY.as_dict(private=False), RSA.as_dict(private=False)]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A model server with the sample model."""
    trained = train(tmp_path_factory.mktemp("model"))
    running = ModelServer()
    folder = Path(running.folder.name) / NAME
    folder.mkdir()
    (folder / "model.joblib").write_bytes((trained.folder / "model.joblib").read_bytes())
    settings = {
        "name": NAME,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    try:
        running.load(folder.parent)
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def open_endpoint(server: ModelServer) -> Iterator[Endpoint]:
    """The endpoint without tokens."""
    with_proxy = Endpoint(server, Serving())
    yield with_proxy
    with_proxy.proxy.stop()


@pytest.fixture(scope="module")
def token_endpoint(server: ModelServer) -> Iterator[Endpoint]:
    """The endpoint that requires tokens."""
    required = Authentication(AuthenticationMode.JWT, ISSUER, (AUDIENCE,), KEYS)
    with_proxy = Endpoint(server, Serving(authentication=required))
    yield with_proxy
    with_proxy.proxy.stop()


class Endpoint:
    """The proxy in front of a model server, with the configuration that the program deploys."""

    def __init__(self, server: ModelServer, serving: Serving) -> None:
        config = json.loads(spec(serving=serving).proxy.text)
        self.server, self.proxy = (
            server,
            Proxy(config, {SERVER_PORT: server.port}, inference_spec.proxy(spec())["args"]),
        )

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one well-formed request with a raw path; return status and body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: inference.ml.example.com", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return self.first("\r\n".join([*lines, "", ""]).encode("latin-1") + body, method)

    def first(self, sent: bytes, method: str = "POST") -> tuple[int, bytes]:
        """Send bytes; return status and body of the first response, or 0 if the connection was closed."""
        connection = ProxyConnection(self.proxy, LISTENER, SECONDS)
        connection.connect()
        try:
            connection.sock.sendall(sent)
            response = http.client.HTTPResponse(connection.sock, method=method)
            response.begin()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def all(self, sent: bytes) -> list[int]:
        """Send bytes on one connection; return the statuses of all responses until it is closed or silent."""
        connection = self.proxy.connect(LISTENER, 0.5)
        received = b""
        try:
            connection.sendall(sent)
            while part := connection.recv(65_536):
                received += part
        except OSError:
            pass
        finally:
            connection.close()
        return [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3})", received, re.MULTILINE)]

    def predicts(self, **headers: str) -> bool:
        """Return whether a prediction is answered by the model."""
        status, body = self.request("POST", INFER, BODY, headers)
        return status == 200 and json.loads(body)["model_name"] == NAME


def test_proxy_closes_an_idle_connection_to_the_server_before_the_server_does() -> None:
    config = json.loads(spec(serving=Serving()).proxy.text)
    with socket.create_server((proxy_spec.LOOPBACK, 0)) as listening:
        proxy = Proxy(config, {SERVER_PORT: listening.getsockname()[1]}, inference_spec.proxy(spec())["args"])
        client = ProxyConnection(proxy, LISTENER, SECONDS)
        try:
            client.request("GET", READY)
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(SECONDS)
                assert connection.recv(65_536).startswith(b"GET ")
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                assert client.getresponse().status == 200
                assert connection.recv(1) == b"", "the server keeps the connection; the proxy ends it"
        finally:
            client.close()
            proxy.stop()


def direct(server: ModelServer, method: str, path: str, body: bytes = b"") -> int:
    """Return the status of a request to the model server itself, as only its own pod can send it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request(method, path, body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_inference_metadata_and_health_pass_through_the_proxy(open_endpoint: Endpoint) -> None:
    assert open_endpoint.predicts()
    for path in ("/v2", f"/v2/models/{NAME}", READY, "/v2/health/ready", "/v2/health/live"):
        assert open_endpoint.request("GET", path)[0] == 200, path


def test_an_unloaded_model_is_not_ready_although_the_server_is(open_endpoint: Endpoint, server: ModelServer) -> None:
    """The reason why health checks request the model: the server's own readiness is that of no model at all."""
    assert direct(server, "POST", UNLOAD) == 200
    try:
        assert open_endpoint.request("GET", "/v2/health/ready")[0] == 200
        assert open_endpoint.request("GET", READY)[0] != 200
        assert not open_endpoint.predicts()
    finally:
        assert direct(server, "POST", UNLOAD.replace("unload", "load")) == 200
    assert open_endpoint.request("GET", READY)[0] == 200


SPELLINGS = [
    UNLOAD,
    UNLOAD.replace("unload", "load"),
    "/v2/repository/index",
    UNLOAD.replace("unload", "%75nload"),
    UNLOAD.replace("repository", "%72%65pository"),
    UNLOAD.replace("/", "%2F"),
    UNLOAD.replace("/", "%2f")[3:],
    UNLOAD.replace("/models/", "%2fmodels%2f"),
    UNLOAD.replace("/", "%252F"),
    UNLOAD.replace("/", "//"),
    UNLOAD.replace("/", "/./"),
    UNLOAD.replace("/", "\\"),
    UNLOAD.replace("/", "%5c"),
    UNLOAD + "/",
    UNLOAD + "?x=/v2/health/live",
    UNLOAD + ";x=1",
    UNLOAD + "%00",
    UNLOAD + "%20",
    UNLOAD.upper(),
    f"/v2/health/ready/../..{UNLOAD[3:]}",
    f"/v2/health/ready/%2e%2e/%2e%2e{UNLOAD[3:]}",
    f"/v2/models/{NAME}/../../repository/models/{NAME}/unload",
    f"/v2/models/..%2frepository%2fmodels%2f{NAME}%2funload/ready",
    f"/v2/models/%2e%2e/repository/models/{NAME}/unload",
    f"/v2/models/{NAME}/infer/..;/../../../repository/models/{NAME}/unload",
    f"/v2/models/{NAME}%0d%0aX:/infer",
    f"http://inference.ml.example.com{UNLOAD}",
    f"http://127.0.0.1:9080{UNLOAD}",
    f"/{UNLOAD}",
    f"/v2/%c0%af..{UNLOAD[3:]}",
    "/v2/docs",
    f"/v2/models/{NAME}/docs",
    "/metrics",
    "/",
    "*",
]


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_path_that_is_not_allowed_does_not_reach_the_model_server(
    open_endpoint: Endpoint, method: str, path: str
) -> None:
    status, _ = open_endpoint.request(method, path)

    assert status in (400, 404), path
    assert open_endpoint.predicts()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "UNLOAD"])
def test_a_method_that_is_not_allowed_is_refused(open_endpoint: Endpoint, method: str) -> None:
    assert open_endpoint.request(method, INFER)[0] in (0, 400, 404, 405)
    assert open_endpoint.predicts()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "POST", "X-Original-URL": UNLOAD},
        {"X-Rewrite-URL": UNLOAD, "X-Envoy-Original-Path": UNLOAD},
        {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"},
        {"Connection": "Upgrade", "Upgrade": "websocket"},
        {"X-Envoy-Upstream-Rq-Timeout-Ms": "600000", "X-Forwarded-For": "127.0.0.1", "X-Envoy-Internal": "true"},
    ],
)
def test_headers_do_not_change_where_a_request_goes(open_endpoint: Endpoint, headers: dict[str, str]) -> None:
    status, body = open_endpoint.request("GET", "/v2/health/live", headers=headers)

    assert status in (200, 403)
    assert b"unload" not in body
    assert open_endpoint.request("GET", READY)[0] == 200


SMUGGLED = f"POST {UNLOAD} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
START = f"POST {INFER} HTTP/1.1\r\nHost: a\r\n"
CHUNKS = "0\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        f"{START}Content-Length: {len(CHUNKS + SMUGGLED)}\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}{SMUGGLED}",
        f"{START}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{len(SMUGGLED):x}\r\n{SMUGGLED}\r\n{CHUNKS}",
        f"{START}Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
        f"{START}Transfer-Encoding: chunked, identity\r\n\r\n{CHUNKS}{SMUGGLED}",
        f"{START}Transfer-Encoding : chunked\r\n\r\n{CHUNKS}{SMUGGLED}",
        f"{START}Transfer-Encoding:\x0bchunked\r\n\r\n{CHUNKS}{SMUGGLED}",
        f"{START}Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
        f"{START}Content-Length: +{len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
        f"{START}Content_Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
        f"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
        f"GET /v2/health/live HTTP/1.1\nHost: a\n\n{SMUGGLED}",
        f"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n{SMUGGLED}",
    ],
)
def test_a_request_hidden_in_another_does_not_reach_the_model_server(open_endpoint: Endpoint, sent: str) -> None:
    statuses = open_endpoint.all(sent.encode("latin-1"))

    assert open_endpoint.request("GET", READY)[0] == 200, statuses
    assert open_endpoint.predicts()


def test_a_body_above_the_limit_is_refused_in_either_encoding(open_endpoint: Endpoint) -> None:
    limit = Serving().request_mib * 1024 * 1024
    assert open_endpoint.request("POST", INFER, b" " * (limit + 1))[0] == 413
    # It ends with the byte that exceeds the limit, so that no unread rest resets the connection.
    start = f"{START}Transfer-Encoding: chunked\r\n\r\n{limit:x}\r\n".encode()
    assert open_endpoint.first(start + b" " * limit + b"\r\n1\r\n ")[0] == 413
    assert open_endpoint.predicts()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Large": "a" * (proxy_spec.HEADERS_KIB * 1024 + 1)},
        {f"X-{number}": "a" for number in range(proxy_spec.HEADERS + 1)},
    ],
)
def test_too_large_or_too_many_headers_are_refused(open_endpoint: Endpoint, headers: dict[str, str]) -> None:
    assert open_endpoint.request("GET", READY, headers=headers)[0] == 431


def test_slow_clients_are_disconnected_and_do_not_keep_others_out(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With limits of one second in place of those deployed."""
    monkeypatch.setattr(proxy_spec, "HEADER_SECONDS", 1)
    monkeypatch.setattr(proxy_spec, "REQUEST_SECONDS", 1)
    limited = Endpoint(server, Serving())
    try:
        headers = limited.proxy.connect(LISTENER, SECONDS)
        headers.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost:")
        body = limited.proxy.connect(LISTENER, SECONDS)
        body.sendall(f"{START}Content-Length: 1000\r\n\r\n ".encode())
        assert limited.predicts()
        for connection in (headers, body):
            assert connection.recv(1024).startswith(b"HTTP/1.1 408 ")
            connection.close()
    finally:
        limited.proxy.stop()


@pytest.mark.parametrize(
    ("limit", "start", "drip"),
    [
        ("HEADER_SECONDS", "GET /v2/health/live HTTP/1.1\r\nHost: a\r\nX-Slow: ", "a"),
        ("REQUEST_SECONDS", f"{START}Content-Length: 1000\r\n\r\n", " "),
    ],
)
def test_client_that_sends_a_byte_at_a_time_is_disconnected_although_it_is_never_silent(
    limit: str, start: str, drip: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of one second in place of the one deployed; the other limits are too long to answer."""
    for each in ("HEADER_SECONDS", "REQUEST_SECONDS"):
        monkeypatch.setattr(proxy_spec, each, 1 if each == limit else 600)
    limited, readable = Endpoint(server, Serving()), selectors.DefaultSelector()
    try:
        connection = limited.proxy.connect(LISTENER, SECONDS)
        connection.sendall(start.encode())
        answered = False
        readable.register(connection, selectors.EVENT_READ)
        for _ in range(int(SECONDS / DRIP_SECONDS)):
            if answered := bool(readable.select(DRIP_SECONDS)):
                break
            connection.sendall(drip.encode())
        assert answered
        assert connection.recv(1024).startswith(b"HTTP/1.1 408 ")
        connection.close()
    finally:
        readable.close()
        limited.proxy.stop()


def test_connections_above_the_limit_are_refused_and_the_others_are_served(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_spec, "CONNECTIONS", 4)
    limited = Endpoint(server, Serving())
    try:
        wait_for(lambda: limited.all(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == [200])
        opened = [limited.proxy.connect(LISTENER, SECONDS) for _ in range(4)]
        for connection in opened:
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")
        assert limited.request("GET", "/v2/health/live") == (0, b"")
        for connection in opened:
            connection.close()
    finally:
        limited.proxy.stop()


def token(key: Any = KEY, algorithm: str = "ES256", kid: str | None = "one", remove: str = "", **claims: Any) -> str:
    """Return a valid token; arguments change one part."""
    values = {"iss": ISSUER, "aud": AUDIENCE, "sub": "client", "exp": int(time.time()) + 600, **claims}
    values.pop(remove, None)
    header = {"alg": algorithm, **({"kid": kid} if kid else {})}
    return jwt.encode(header, values, key)


def forged(header: dict[str, str], sign: Callable[[bytes], bytes]) -> str:
    """Return a token with any header and signature."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "client", "exp": int(time.time()) + 600}
    signed = b".".join([part(json.dumps(header).encode()), part(json.dumps(claims).encode())])
    return b".".join([signed, part(sign(signed))]).decode()


@pytest.mark.parametrize(
    "made", [lambda: token(), lambda: token(RSA, "RS256", "two"), lambda: token(aud=["a", AUDIENCE])]
)
def test_a_valid_token_of_the_issuer_is_accepted_without_the_issuer(
    token_endpoint: Endpoint, made: Callable[[], str]
) -> None:
    assert token_endpoint.predicts(Authorization=f"Bearer {made()}")


@pytest.mark.parametrize(
    "made",
    [
        lambda: "",
        lambda: "Bearer",
        lambda: "Bearer nonsense",
        lambda: f"Basic {token()}",
        lambda: f"Bearer {token(OTHER)}",
        lambda: f"Bearer {token(kid='unknown')}",
        lambda: f"Bearer {token(iss='https://elsewhere.example.com')}",
        lambda: f"Bearer {token(aud='another-service')}",
        lambda: f"Bearer {token(remove='aud')}",
        lambda: f"Bearer {token(exp=int(time.time()) - 600)}",
        lambda: f"Bearer {token(remove='exp')}",
        lambda: f"Bearer {token(nbf=int(time.time()) + 600)}",
        lambda: f"Bearer {forged({'alg': 'none'}, lambda _: b'')}",
        lambda: f"Bearer {forged({'alg': 'HS256', 'kid': 'two'}, signed_with_the_public_key)}",
        lambda: f"Bearer {token()[:-4]}AAAA",
    ],
)
def test_a_request_without_a_valid_token_is_refused(token_endpoint: Endpoint, made: Callable[[], str]) -> None:
    headers = {"Authorization": value} if (value := made()) else {}

    for method, path, body in (("POST", INFER, BODY), ("GET", f"/v2/models/{NAME}", b""), ("POST", UNLOAD, b"")):
        assert token_endpoint.request(method, path, body, headers)[0] in (401, 403), path


def signed_with_the_public_key(signed: bytes) -> bytes:
    return hmac.new(RSA.as_pem(private=False), signed, hashlib.sha256).digest()


def test_a_token_in_the_query_is_not_accepted(token_endpoint: Endpoint) -> None:
    assert token_endpoint.request("POST", f"{INFER}?access_token={token()}", BODY)[0] == 401


def test_health_checks_need_no_token_and_a_token_opens_no_other_path(token_endpoint: Endpoint) -> None:
    for path in (READY, "/v2/health/ready", "/v2/health/live"):
        assert token_endpoint.request("GET", path)[0] == 200
    bearer = {"Authorization": f"Bearer {token()}"}
    for path in SPELLINGS:
        assert token_endpoint.request("POST", path, headers=bearer)[0] in (400, 404), path
    assert token_endpoint.predicts(**bearer)


def test_refused_requests_are_logged_without_query_and_token(token_endpoint: Endpoint) -> None:
    secret = token(OTHER)
    token_endpoint.request("POST", f"{UNLOAD}?key=secret-in-query", headers={"Authorization": f"Bearer {secret}"})

    def logged() -> list[dict[str, Any]]:
        lines = [line for line in token_endpoint.proxy.log.splitlines() if line.startswith("{")]
        return [entry for entry in map(json.loads, lines) if entry["path"] == UNLOAD]

    entry = wait_for(logged, interval_seconds=1)[-1]
    assert (entry["status"], entry["method"]) == (401, "POST")
    assert secret not in token_endpoint.proxy.log
    assert "secret-in-query" not in token_endpoint.proxy.log


def caller(target: dict[str, Any], port: int) -> Proxy:
    """Return a caller's proxy in the mesh, which speaks HTTP/2 at once, as Istio configures it for `UPGRADE`."""
    config = json.loads(spec().proxy.text)["static_resources"]
    listener, cluster = config["listeners"][0], config["clusters"][0]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = target
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {"@type": f"type.googleapis.com/{kind}", "explicit_http_config": {"http2_protocol_options": {}}}
    cluster["typed_extension_protocol_options"] = {kind: options}
    return Proxy({"static_resources": {"listeners": [listener], "clusters": [cluster]}}, {port: port})


def test_mesh_callers_that_speak_http2_at_once_reach_the_model(open_endpoint: Endpoint, server: ModelServer) -> None:
    """Without the replica's proxy they do not: MLServer speaks HTTP/1.1 only."""
    policy = mesh_spec.destination_rule(("us-east-1", "us-west-2"), shared=False)["spec"]["trafficPolicy"]
    assert policy["connectionPool"]["http"]["h2UpgradePolicy"] == "UPGRADE"
    through = caller({"pipe": {"path": str(open_endpoint.proxy.sockets[LISTENER])}}, server.port)
    without = caller({"socket_address": {"address": "127.0.0.1", "port_value": server.port}}, server.port)
    try:
        assert status_of_prediction(through) == 200
        assert status_of_prediction(without) in (502, 503)
    finally:
        through.stop()
        without.stop()


def status_of_prediction(proxy: Proxy) -> int:
    connection = ProxyConnection(proxy, LISTENER, SECONDS)
    connection.request("POST", INFER, BODY)
    status = connection.getresponse().status
    connection.close()
    return status
