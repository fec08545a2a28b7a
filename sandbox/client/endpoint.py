"""Connections of clients to an inference endpoint: over TLS, through the emulator."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dr.errors import Failed, Problem
from dr.operations.inference_probe import headers

ANSWER_SECONDS = 120.0
"""Response timeout in seconds; the first request waits for a model server to start."""
HTTPS_PORT = 443
REMEDY = "`python -m sandbox fault list` for what is broken, and the pods and targets of the region"


class _Connection(http.client.HTTPSConnection):
    """A TLS connection through a proxy to an address, to a server of another name."""

    def __init__(self, proxy: str, name: str, context: ssl.SSLContext, timeout: float) -> None:
        at = urlsplit(proxy)
        super().__init__(str(at.hostname), at.port, context=context, timeout=timeout)
        self._name, self._trusted = name, context

    def connect(self) -> None:
        """Connect and verify the name, not the address."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._trusted.wrap_socket(self.sock, server_hostname=self._name)


@dataclass(frozen=True)
class Endpoint:
    """An inference endpoint.

    Args:
        name: DNS name of the inference endpoint, which TLS verifies.
        proxy: URL of the emulator, used as an HTTPS proxy.
        authority: File with the certificate of the trusted certificate authority.
    """

    name: str
    proxy: str
    authority: Path

    def call(
        self, method: str, path: str, content: object, address: str = "", timeout: float = ANSWER_SECONDS
    ) -> tuple[int, str]:
        """Send one request on a new connection, because the load balancer distributes connections, not requests.

        It has the client's token, if `DR_CLIENT_TOKEN` is set.

        Args:
            method: HTTP method.
            path: Path of the URL.
            content: Body, sent as JSON.
            address: IP address to connect to; without one, the emulator resolves the name.
            timeout: Time limit in seconds of each step of the connection.

        Returns:
            Status and body of the response.

        Raises:
            OSError: The connection failed.
            HTTPException: The response is not HTTP.
        """
        connection = _Connection(self.proxy, self.name, self._context, timeout)
        connection.set_tunnel(address or self.name, HTTPS_PORT)
        try:
            connection.request(method, path, json.dumps(content), {**headers(), "Host": self.name})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def send(self, method: str, path: str, content: object) -> dict[str, Any]:
        """Return the JSON of the response to one request.

        Raises:
            Failed: The connection failed, or the status of the response is not 200.
        """
        try:
            status, text = self.call(method, path, content)
        except (OSError, http.client.HTTPException) as error:
            fact = f"nothing answers at https://{self.name}{path}: {type(error).__name__}: {error}"
            raise Failed(Problem(self.name, fact, REMEDY)) from error
        if status != HTTPStatus.OK:
            fact = f"https://{self.name}{path} answers {status}: {text.strip()[:300]}"
            raise Failed(Problem(self.name, fact, "`python -m sandbox logs` has what the model server said"))
        found: dict[str, Any] = json.loads(text)
        return found

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))
