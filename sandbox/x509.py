"""What the certificates of the sandbox's own authorities have in common."""

from __future__ import annotations

import datetime
from typing import Any

Root = tuple[Any, Any]
"""An authority's key and certificate."""


def new_key() -> Any:
    """A private key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def begun(subject: Any, key: Any, root: Root | None, lifetime: datetime.timedelta) -> Any:
    """A certificate's builder, with everything but what it is for.

    Args:
        subject: Whose it is.
        key: Their private key.
        root: Who is to sign it; None makes an authority, which signs itself.
        lifetime: How long it holds.
    """
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    signer = root[0] if root else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(root[1].subject if root else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=root is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def signed(builder: Any, key: Any, root: Root | None) -> Any:
    """The certificate, signed by the root or, being one, by itself."""
    from cryptography.hazmat.primitives import hashes

    return builder.sign(root[0] if root else key, hashes.SHA256())
