"""What a request to the emulator is for: AWS, the control API, an inference endpoint, or a host behind the proxy."""

from __future__ import annotations

import re
import ssl
from typing import Any, Protocol

from sandbox.aws import control, service_connection
from sandbox.aws.answer import Answer, Connection, ConnectionCutError
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours import endpoints, health_checks, service_addresses, service_hosts
from sandbox.aws.behaviours.addresses import is_address
from sandbox.aws.behaviours.sources import source_of
from sandbox.aws.emulator import Emulator
from sandbox.aws.guard import is_loopback

PORT = re.compile(r":\d+$")
LAYERS = "/_layers/"
"""Path of the layers of registries, which GetDownloadUrlForLayer names."""


class Sites(Protocol):
    """Further hosts that the emulator answers for."""

    def knows(self, host: str) -> bool:
        """Whether a host is one of them, also while it cannot be reached."""

    def site(self, host: str) -> Connection | None:
        """A connection to a host; None for an unknown one. Raises ConnectionCutError."""

    def layer(self, path: str) -> Answer:
        """A layer of a registry of the account, by the path of its download URL. Raises ConnectionCutError."""


class Front:
    """Routes requests by host and path.

    Args:
        emulator: Answers AWS.
        authority: Signs certificates of hosts.
        sites: Further hosts.
    """

    def __init__(self, emulator: Emulator, authority: Authority, sites: Sites) -> None:
        self._emulator, self._authority, self._sites = emulator, authority, sites

    def handle(self, environ: dict[str, Any], body: bytes) -> Answer:
        """Answer one HTTP request. Raises ConnectionCutError where a fault cuts the connection."""
        emulator, path, host = self._emulator, environ["PATH_INFO"], environ.get("HTTP_HOST", "")
        if not emulator.world.kubernetes.on and health_checks.body_of(path):
            return endpoints.answer(emulator.world, host, path)
        name = PORT.sub("", host)
        if not is_loopback(name):
            if flow := endpoints.connect(emulator.world, name, source_of(environ)):
                return flow.send(environ, body)
            emulator.calls.refused.add(host)
            return refusal(host)
        if path.startswith(LAYERS):
            return self._sites.layer(path)
        if path.startswith(control.PREFIX):
            return control.answer(emulator, environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body)
        return emulator.answer(environ, body)

    def tunnel(self, host: str, source: str, pod: str = "") -> tuple[ssl.SSLContext, Connection | None] | None:
        """Open a tunnel to a host over TLS.

        Args:
            host: Name or address, and port. At an address, the server's name is the one that the client asks for.
            source: Address from which it is opened.
            pod: UID of the pod that opens it; "" for another client. Pods reach AWS by its own names.

        Returns:
            How to answer TLS as the host, and the connection that requests go to, if not to this object's `handle`;
            None for an unknown host.

        Raises:
            ConnectionCutError: The host cannot be reached, or the pod's egress policies do not admit it.
        """
        name = PORT.sub("", host)
        if pod:
            self._check_egress(pod, name, host)
        found = self._tunnel(name, source, pod)
        if found is None:
            self._emulator.calls.refused.add(name)
        return found

    def _tunnel(self, name: str, source: str, pod: str) -> tuple[ssl.SSLContext, Connection | None] | None:
        if self._sites.knows(name):
            self._emulator.calls.hosts[name] += 1
        if site := self._sites.site(name):
            return self._authority.context(name), site
        if pod and (host := service_hosts.find(name)):
            return self._authority.context(name), service_connection.connect(self._emulator, host)
        connection = endpoints.connection(self._emulator.world, name, source)
        if connection is None:
            return None
        return self._authority.any_name() if is_address(name) else self._authority.context(name), connection

    def _check_egress(self, pod: str, name: str, host: str) -> None:
        """Raise ConnectionCutError if the egress policies of a pod do not admit a host."""
        address, port = service_addresses.address_of(name), int(host.removeprefix(f"{name}:"))
        if not self._emulator.world.kubernetes.admits(pod, address, port):
            raise ConnectionCutError(f"{host}: the egress policies of pod {pod} do not admit {address}")


def refusal(host: str) -> Answer:
    """The answer for a host that is not on this machine."""
    return Answer.of_text(f"{host} refused: the sandbox answers for this machine only\n", 403)
