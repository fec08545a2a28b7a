"""Keys and certificates of one control plane, signed by an authority of its own."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import trustme

HOSTS = ("localhost", "127.0.0.1")
"""Names of every certificate: Go refuses one without names, even of a client."""
ORGANIZATION = "sandbox"
MASTERS = "system:masters"
"""The group that may do everything (Kubernetes documentation, "Using RBAC Authorization")."""


class Certificates:
    """A folder of keys that only its owner can read.

    Existing keys are kept, so that a control plane can be stopped and started again.

    Args:
        folder: The folder; the caller creates it and restricts its permissions.
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

    def make(self, name: str, user: str, group: str = ORGANIZATION) -> None:
        """Make a key and a certificate for servers on loopback and for clients, unless they exist.

        Args:
            name: Name of the files.
            user: The client's user name in Kubernetes (common name).
            group: The client's group in Kubernetes (organization).
        """
        if not self.certificate(name).exists():
            made = self._authority.issue_cert(*HOSTS, common_name=user, organization_name=group)
            self._write(name, made.private_key_pem, made.cert_chain_pems[0])

    @cached_property
    def _authority(self) -> trustme.CA:
        if not self.authority.exists():
            made = trustme.CA(organization_name=ORGANIZATION, organization_unit_name="Kubernetes")
            self._write("ca", made.private_key_pem, made.cert_pem)
        return trustme.CA.from_pem(self.authority.read_bytes(), self.key("ca").read_bytes())

    def _write(self, name: str, key: trustme.Blob, certificate: trustme.Blob) -> None:
        self.key(name).touch(mode=0o600)
        self.key(name).write_bytes(key.bytes())
        self.certificate(name).write_bytes(certificate.bytes())
