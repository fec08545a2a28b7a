"""The HTTP server of the emulator: connections, TLS tunnels and answers."""

from __future__ import annotations

import socket
import struct
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import LISTEN_QUEUE, BaseWSGIServer, make_server

from sandbox.aws.answer import Answer, Connection, ConnectionCutError
from sandbox.aws.behaviours.sources import pod_of, source_of
from sandbox.aws.front import Front, refusal
from sandbox.aws.guard import stay_on_loopback


class Handler(MotoRequestHandler):
    """Serves HTTP/1.1 and keeps connections alive, which werkzeug's own handler closes after every answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    connection_to: Connection | None = None
    """Where requests through an open tunnel go."""

    @property
    def _front(self) -> Front:
        application: Any = self.server.app
        return application  # type: ignore[no-any-return]

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("wsgi.input_terminated")
        body = environ["wsgi.input"].read() if chunked else self.rfile.read(length)
        try:
            if self.command == "CONNECT":
                self._tunnel(environ["RAW_URI"], source_of(environ), pod_of(environ))
                return
            answer = self.connection_to.send(environ, body) if self.connection_to else self._front.handle(environ, body)
        except ConnectionCutError:
            # Lingering for 0 s resets the connection instead of ending it politely.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._answer(answer)

    def _tunnel(self, host: str, source: str, pod: str) -> None:
        """Open a tunnel: answer over TLS as the host that a client wants to reach through this proxy."""
        found = self._front.tunnel(host, source, pod)
        if found is None:
            self._answer(refusal(host))
            return
        context, self.connection_to = found
        self.send_response_only(200, "Connection established")
        self.end_headers()
        try:
            self.request = context.wrap_socket(self.connection, server_side=True)
        except OSError:  # the client does not trust the sandbox's authority, or is gone
            self.close_connection = True
            return
        # From here on, requests come through the tunnel.
        self.setup()
        self.close_connection = False

    def _answer(self, answer: Answer) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        # RFC 9112, 6.3: a client takes what follows the header of such an answer for the next answer.
        empty = self.command == "HEAD" or answer.status in (204, 304)
        if not empty:
            headers["content-length"] = str(len(answer.body))  # an extension may have changed moto's body
        headers.setdefault("date", self.date_time_string())
        self.send_response_only(answer.status)
        for name, value in headers.items():
            if name not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        if not empty:
            self.wfile.write(answer.body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the control API has the record of calls."""


def listen(port: int = 0) -> socket.socket:
    """Open a listening socket on loopback; port 0 takes a free port. Raises OSError."""
    stay_on_loopback()
    return socket.create_server(("127.0.0.1", port), backlog=LISTEN_QUEUE)


def address(listening: socket.socket) -> str:
    """URL of what serves on a socket."""
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def serve(front: Front, listening: socket.socket) -> BaseWSGIServer:
    """Make a server that takes over a listening socket; the caller runs `serve_forever`."""
    # make_server is typed for WSGI applications; Handler calls `handle` instead.
    application: Any = front
    with listening:
        # The server duplicates the socket.
        return make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler, fd=listening.fileno())
