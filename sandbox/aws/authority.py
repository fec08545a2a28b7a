"""The sandbox's certificate authority: endpoints answer over TLS with certificates that it signs.

A client that trusts its certificate and uses the emulator as a proxy reaches `https://inference-dr.<domain>` as on AWS.
The key is generated at every start and stays in memory.
"""

from __future__ import annotations

import ssl
import threading
from functools import cached_property
from pathlib import Path

import trustme


class Authority:
    """Signs a certificate for a name when the first client connects to it.

    Args:
        folder: Where its own certificate is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._written = False

    @property
    def file(self) -> Path:
        """The certificate to trust, in PEM."""
        with self._lock:
            path = self._folder / "authority.pem"
            if not self._written:
                # An existing file was left by an emulator that was killed.
                path.write_bytes(self._authority.cert_pem.bytes())
                self._written = True
            return path

    def context(self, name: str) -> ssl.SSLContext:
        """TLS settings to serve as a name."""
        with self._lock:
            if name not in self._contexts:
                self._contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(name).configure_cert(self._contexts[name])
            return self._contexts[name]

    def certificate(self, *names: str) -> bytes:
        """Return a new private key and its certificate for names, in PEM."""
        with self._lock:
            return self._authority.issue_cert(*names).private_key_and_cert_chain_pem.bytes()

    def any_name(self) -> ssl.SSLContext:
        """TLS settings to serve as the name that a client asks for (server name indication)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def chosen(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            if name:
                connection.context = self.context(name)

        context.sni_callback = chosen
        return context

    @cached_property
    def _authority(self) -> trustme.CA:
        return trustme.CA(organization_name="sandbox", organization_unit_name="Endpoints")
