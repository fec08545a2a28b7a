"""Public keys that check clients' tokens: a JSON Web Key Set (RFC 7517). Pure."""

from __future__ import annotations

import json
import warnings

KINDS = ("RSA", "EC", "OKP")
"""Key types with a public half. A key of type `oct` is a shared secret: whoever reads the configuration could sign."""
LEAST_RSA_BITS = 2048
"""Smallest RSA key (RFC 7518, section 3.3)."""
FIX = "set the issuer's published key set, such as `curl https://<issuer>/.well-known/jwks.json`"


def problem(text: str) -> tuple[str, str] | None:
    """Return the problem of a key set and its remedy; None for a valid one and for empty text."""
    if not text:
        return None
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of short keys, which are refused below
            keys = KeySet.import_key_set(json.loads(text)).keys
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"the text is not a JSON Web Key Set: {error}", FIX
    for place, key in enumerate(keys, 1):
        name = f"key {key.kid or place}"
        if key.key_type not in KINDS:
            return f"{name} is of type {key.key_type}, a shared secret", FIX
        if key.is_private:
            return f"{name} contains its private half, with which tokens are signed", f"revoke that key, and {FIX}"
        bits = getattr(key.public_key, "key_size", 0)
        if key.key_type == "RSA" and bits < LEAST_RSA_BITS:
            return f"{name} has {bits} bits; RFC 7518 requires {LEAST_RSA_BITS}", "use another signing key"
    return None
