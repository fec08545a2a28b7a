"""A certificate authority of the sandbox's own: endpoints answer over TLS with certificates that it signs.

Whoever trusts its file, and goes through the emulator as a proxy, reaches `https://inference-dr.<domain>` as on AWS.
The key is made anew at every start and never written.
"""

from __future__ import annotations

import datetime
import ssl
import tempfile
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

from sandbox.x509 import Root, begun, new_key, signed

LIFETIME = datetime.timedelta(days=30)


class Authority:
    """Signs certificates for names, when the first one asks.

    Args:
        folder: Where its certificate is written.
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
                # One that is there is of an emulator that was killed.
                path.write_bytes(_pem(self._root[1]))
                self._written = True
            return path

    @cached_property
    def _root(self) -> Root:
        return self._made("the sandbox's authority", None)

    def context(self, name: str) -> ssl.SSLContext:
        """How to serve TLS as a name."""
        with self._lock:
            if name not in self._contexts:
                self._contexts[name] = self._serve_as(name)
            return self._contexts[name]

    def _serve_as(self, name: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives import serialization

        key, certificate = self._made(name, self._root)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The module loads keys from files alone; this one is gone as soon as it is read.
        with tempfile.NamedTemporaryFile() as file:
            file.write(private + _pem(certificate))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _made(self, name: str, root: Root | None) -> tuple[Any, Any]:
        """A key and its certificate, signed by the root or, being the root, by itself."""
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        key = new_key()
        # A common name has 64 characters at most; the whole name is among the alternative ones.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        builder = begun(subject, key, root, LIFETIME)
        if root:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        else:
            usage = x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        return key, signed(builder, key, root)


def _pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return bytes(certificate.public_bytes(serialization.Encoding.PEM))
