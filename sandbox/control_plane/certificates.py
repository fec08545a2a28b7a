"""Keys and certificates of one control plane: an authority of its own, and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from functools import cached_property
from pathlib import Path
from typing import Any

from sandbox.x509 import Root, begun, new_key, signed

LIFETIME = datetime.timedelta(days=365)
MASTERS = "system:masters"
"""The group that may do everything (Kubernetes documentation, "Using RBAC Authorization")."""


class Certificates:
    """A folder of keys, readable by its owner alone. What exists is kept: a paused control plane comes back with it.

    Args:
        folder: Where they are; made by the caller, closed to others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def authority(self) -> Path:
        """The certificate to trust."""
        return self._folder / "ca.crt"

    def key(self, name: str) -> Path:
        """The private key of a name."""
        return self._folder / f"{name}.key"

    def certificate(self, name: str) -> Path:
        """The certificate of a name."""
        return self._folder / f"{name}.crt"

    def make(self, name: str, user: str, *, group: str = "", addresses: tuple[str, ...] = ()) -> None:
        """Make key and certificate of a client or, with `addresses`, of a server on them, where there are none."""
        if self.certificate(name).exists():
            return
        self._write(name, *self._signed(user, group, addresses))

    def make_key(self, name: str) -> None:
        """Make a bare key pair, `name.key` and `name.pub`: what service account tokens are signed and checked with."""
        from cryptography.hazmat.primitives import serialization

        if self.key(name).exists():
            return
        key = new_key()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self._folder / f"{name}.pub").write_bytes(public)
        _write_closed(self.key(name), _private(key))

    @cached_property
    def _root(self) -> Root:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        if not self.authority.exists():
            self._write("ca", *_certificate("sandbox-kubernetes", "", None, ()))
        key = serialization.load_pem_private_key(self.key("ca").read_bytes(), password=None)
        return key, x509.load_pem_x509_certificate(self.authority.read_bytes())

    def _signed(self, user: str, group: str, addresses: tuple[str, ...]) -> tuple[Any, Any]:
        return _certificate(user, group, self._root, addresses)

    def _write(self, name: str, key: Any, certificate: Any) -> None:
        from cryptography.hazmat.primitives import serialization

        _write_closed(self.key(name), _private(key))
        self.certificate(name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _private(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    # Go reads the traditional form of an EC key everywhere; etcd does not read PKCS 8.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def _write_closed(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _certificate(user: str, group: str, root: Root | None, addresses: tuple[str, ...]) -> tuple[Any, Any]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = new_key()
    names = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    subject = x509.Name(names)
    builder = begun(subject, key, root, LIFETIME)
    if root:
        # etcd is a client of itself, and shows its server's certificate then.
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if addresses else [])
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if addresses:
        told = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName([*told, x509.DNSName("localhost")]), critical=False)
    return key, signed(builder, key, root)
