"""Configuration of the proxy (Envoy) in front of the inference server in each replica. Pure.

MLServer also serves its model repository: `POST /v2/repository/models/<name>/unload` removes a model, and
`/v2/health/ready` stays 200, because no model is left that is not ready (MLServer 1.7.1, `rest/app.py` and
`handlers/dataplane.py`). So MLServer listens on loopback only, and the proxy forwards what `ALLOWED` lists: inference,
metadata and health. Every other path is answered 404, or 401 without a token.

Paths are normalized before they are compared, and the patterns have no percent sign, so that an encoded path does not
match. Limits of size and time follow Envoy's documentation, "Configuring Envoy as an edge proxy".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dr.topology.serving import Authentication, AuthenticationMode

REQUEST_SECONDS = 30
"""Longest request, in seconds; a request that arrives last may still finish."""
HEADER_SECONDS = 10
"""Time for a client to send all headers of a request, in seconds."""
IDLE_SECONDS = 400
"""Time until an idle connection is closed, in seconds. A network load balancer closes it after 350 s (ELB user guide,
"Connection idle timeout"). It is to be the first, so that no request meets a closed connection."""
SERVER_IDLE_SECONDS = 3
"""Time until an idle connection to the inference server is closed, in seconds. MLServer closes it after 5 s (uvicorn's
`timeout_keep_alive`, which MLServer does not set): a request that meets a closed connection is answered 503."""
HEADERS_KIB, HEADERS = 16, 64
CONNECTIONS = 1_024
"""Open client connections of a replica. The load balancer opens one for each client connection."""
CONNECTION_BUFFER_BYTES, STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES, STREAMS = 32_768, 65_536, 1_048_576, 100
"""Buffers and HTTP/2 limits of an edge proxy (Envoy documentation, "Configuring Envoy as an edge proxy")."""
HEAP_SHARE = 0.75
"""Share of the memory limit that the heap may use; above it, requests are answered 503 instead of an out-of-memory
kill."""
CONFIG_FILE, CONFIG_MOUNT = "envoy.json", "/etc/envoy"
TYPE = "type.googleapis.com/envoy"
JWT_FILTER = "envoy.filters.http.jwt_authn"
LOOPBACK, EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"  # noqa: S104 - pod security group and network policy limit ingress

NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
"""Name of a model, or of its version, in a path."""
MODEL = f"/v2/models/{NAME}(?:/versions/{NAME})?"


class Access(StrEnum):
    """Requests by what they need."""

    HEALTH = "health"
    """Answered without a token: the load balancer's and Route 53's health checks send none."""
    CLIENT = "client"
    """With `dr:authentication: jwt`, answered only with a valid token."""


@dataclass(frozen=True)
class Allowed:
    """One kind of request that the proxy forwards.

    Args:
        method: HTTP method.
        pattern: Regular expression that the whole normalized path matches.
        access: What the request needs.
    """

    method: str
    pattern: str
    access: Access


ALLOWED = (
    Allowed("GET", "/v2/health/(?:live|ready)", Access.HEALTH),
    Allowed("GET", f"{MODEL}/ready", Access.HEALTH),
    Allowed("GET", "/v2", Access.CLIENT),
    Allowed("GET", MODEL, Access.CLIENT),
    Allowed("POST", f"{MODEL}/(?:infer|generate|infer_stream|generate_stream)", Access.CLIENT),
)
"""Requests that the proxy forwards: health, metadata and inference of the V2 inference protocol, with MLServer's paths
for generated text."""


@dataclass(frozen=True)
class ProxySpec:
    """Specification of the proxy.

    Args:
        port: Port of clients and of health checks.
        server_port: Loopback port of the inference server.
        metrics_port: Port of Prometheus.
        server_metrics_port: Loopback port of the inference server's metrics.
        authentication: How clients authenticate.
        body_mib: Largest request body in MiB.
        memory_mib: Memory limit of the container in MiB.
    """

    port: int
    server_port: int
    metrics_port: int
    server_metrics_port: int
    authentication: Authentication
    body_mib: int
    memory_mib: int

    @property
    def text(self) -> str:
        """Envoy's configuration as JSON."""
        return json.dumps(bootstrap(self), indent=1, sort_keys=True)

    @property
    def digest(self) -> str:
        """Hash of the configuration; ten characters."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:10]


def bootstrap(spec: ProxySpec) -> dict[str, Any]:
    """Return Envoy's configuration. It has no admin interface."""
    ceiling = int(spec.memory_mib * 1024 * 1024 * HEAP_SHARE)
    return {
        "static_resources": {
            "listeners": [
                _listener("inference", spec.port, _connections(spec)),
                _listener("metrics", spec.metrics_port, _metrics()),
            ],
            "clusters": [_cluster("server", spec.server_port), _cluster("metrics", spec.server_metrics_port)],
        },
        "overload_manager": {
            "refresh_interval": "0.25s",
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.fixed_heap",
                    "typed_config": {
                        "@type": f"{TYPE}.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                        "max_heap_size_bytes": str(ceiling),
                    },
                },
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{TYPE}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": str(CONNECTIONS),
                    },
                },
            ],
            "actions": [
                _at_heap("envoy.overload_actions.shrink_heap", 0.9),
                _at_heap("envoy.overload_actions.stop_accepting_requests", 0.95),
            ],
        },
    }


def _at_heap(action: str, share: float) -> dict[str, Any]:
    trigger = {"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}
    return {"name": action, "triggers": [trigger]}


def _listener(name: str, port: int, manager: dict[str, Any]) -> dict[str, Any]:
    http = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            # HTTP/1.1, and HTTP/2 of callers in the mesh, by the connection's first bytes.
            "codec_type": "AUTO",
            "use_remote_address": True,
            # The load balancer's address is private; without this, its clients could set Envoy's own headers.
            "internal_address_config": {"unix_sockets": False},
            "normalize_path": True,
            "request_timeout": f"{REQUEST_SECONDS}s",
            "request_headers_timeout": f"{HEADER_SECONDS}s",
            **manager,
        },
    }
    return {
        "name": name,
        "address": _address(EVERY_ADDRESS, port),
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
        "filter_chains": [{"filters": [http]}],
    }


def _connections(spec: ProxySpec) -> dict[str, Any]:
    """Return how requests of clients are received, checked and routed."""
    jwt = spec.authentication.mode is AuthenticationMode.JWT
    return {
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "stream_idle_timeout": f"{REQUEST_SECONDS}s",
        "max_request_headers_kb": HEADERS_KIB,
        "common_http_protocol_options": {
            "idle_timeout": f"{IDLE_SECONDS}s",
            "max_headers_count": HEADERS,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": STREAMS,
            "initial_stream_window_size": STREAM_WINDOW_BYTES,
            "initial_connection_window_size": CONNECTION_WINDOW_BYTES,
        },
        "access_log": [_refused_requests()],
        "http_filters": [
            *([_tokens(spec.authentication)] if jwt else []),
            {
                "name": "envoy.filters.http.buffer",
                "typed_config": {
                    "@type": f"{TYPE}.extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": spec.body_mib * 1024 * 1024,
                },
            },
            _router(),
        ],
        "route_config": _routes([_route(each, "server", jwt) for each in ALLOWED]),
    }


def _metrics() -> dict[str, Any]:
    """Return how Prometheus reads the inference server's metrics."""
    only = _route(Allowed("GET", "/metrics", Access.HEALTH), "metrics", jwt=False)
    return {
        "http_filters": [_router()],
        "route_config": _routes([only]),
    }


def _routes(routes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"virtual_hosts": [{"name": "every-name", "domains": ["*"], "routes": routes}]}


def _route(allowed: Allowed, cluster: str, jwt: bool) -> dict[str, Any]:
    route: dict[str, Any] = {
        "match": {
            "safe_regex": {"regex": allowed.pattern},
            "headers": [{"name": ":method", "string_match": {"exact": allowed.method}}],
        },
        "route": {"cluster": cluster, "timeout": f"{REQUEST_SECONDS}s"},
    }
    if jwt and allowed.access is Access.HEALTH:
        exempt = {"@type": f"{TYPE}.extensions.filters.http.jwt_authn.v3.PerRouteConfig", "disabled": True}
        route["typed_per_filter_config"] = {JWT_FILTER: exempt}
    return route


def _tokens(authentication: Authentication) -> dict[str, Any]:
    """Return the filter that checks tokens, with the issuer's keys, so that the issuer need not answer."""
    provider = {
        "issuer": authentication.issuer,
        "audiences": list(authentication.audiences),
        "local_jwks": {"inline_string": authentication.keys},
        "require_expiration": True,
        # Only this header: by default, a token in the query is accepted too, and queries are logged.
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "forward": False,
    }
    return {
        "name": JWT_FILTER,
        "typed_config": {
            "@type": f"{TYPE}.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"clients": provider},
            # Every path needs a token; the routes of health checks are exempt.
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "clients"}}],
        },
    }


def _router() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": f"{TYPE}.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }


def _refused_requests() -> dict[str, Any]:
    """Return the log of requests that were refused or failed; paths are logged without their query."""
    at_least = {"op": "GE", "value": {"default_value": 400, "runtime_key": "access_log.status"}}
    fields = {
        "time": "%START_TIME%",
        "status": "%RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ)%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "milliseconds": "%DURATION%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "filter": {"status_code_filter": {"comparison": at_least}},
        "typed_config": {
            "@type": f"{TYPE}.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": fields},
        },
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(LOOPBACK, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": f"{SERVER_IDLE_SECONDS}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
