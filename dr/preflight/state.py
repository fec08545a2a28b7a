"""Checks that the state and its secrets can be read while the primary region is lost.

`pulumi up -s dr` reads the state of both stacks, and decrypts their secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from dr.findings import Finding, Status
from dr.preflight.check import Subject

BACKEND, SECRETS = "state backend", "secrets provider"
OUTSIDE = {"azblob": "Azure", "gs": "Google Cloud", "azurekeyvault": "Azure", "gcpkms": "Google Cloud"}
"""Providers outside AWS, by the scheme of the URL."""


def backend(subject: Subject) -> Iterator[Finding]:
    """Check where the state is stored.

    Args:
        subject: The deployment to check.
    """
    url, primary, recovery = subject.backend, subject.topology.primary.region, subject.topology.recovery.region
    parts = urlsplit(url)
    move = f"copy the state to a bucket in {recovery}: `pulumi login 's3://<bucket>?region={recovery}'`"
    if not url:
        hint = f"`pulumi login 's3://<bucket>?region={recovery}'`"
        yield Finding(BACKEND, Status.UNKNOWN, "is not configured on this machine", hint)
    elif parts.scheme == "file":
        yield Finding(BACKEND, Status.MET, f"{url}: a folder; it is lost with its disk, not with {primary}")
    elif parts.scheme == "s3":
        region = _region_of(url)
        if not region:
            fact = f"{url} has no region; the region of the credentials in use applies"
            yield Finding(BACKEND, Status.UNKNOWN, fact, f"append ?region=<region of the bucket> to the URL; {move}")
        elif region == primary:
            fact = f"{url} is in {primary}: the state is lost with the primary region, and nothing can be deployed"
            yield Finding(BACKEND, Status.MISSED, fact, move)
        else:
            yield Finding(BACKEND, Status.MET, f"{url}: in {region}")
    elif parts.scheme in OUTSIDE:
        yield Finding(BACKEND, Status.MET, f"{url}: in {OUTSIDE[parts.scheme]}")
    else:
        fact = f"{url}: where this service runs is not known here"
        hint = "ask its provider whether it depends on the primary region, and keep an export: `pulumi stack export`"
        yield Finding(BACKEND, Status.UNKNOWN, fact, hint)


def secrets(subject: Subject) -> Iterator[Finding]:
    """Check which service decrypts the secrets of the state.

    Args:
        subject: The deployment to check.
    """
    url, primary, recovery = subject.secrets_provider, subject.topology.primary.region, subject.topology.recovery.region
    scheme = urlsplit(url).scheme
    provider = f"awskms://<alias of a key in {recovery}>?region={recovery}"
    change = f"`pulumi stack change-secrets-provider '{provider}' -s {subject.stack}`"
    if not url or url == "passphrase":
        if urlsplit(subject.backend).scheme in ("http", "https"):
            yield Finding(SECRETS, Status.UNKNOWN, "is that of the state backend", change)
        else:
            yield Finding(SECRETS, Status.MET, "a passphrase; it depends on no region")
    elif scheme == "awskms":
        region = _region_of(url)
        if not region:
            yield Finding(SECRETS, Status.UNKNOWN, f"{url} has no region", change)
        elif region == primary:
            fact = f"{url} is in {primary}: secrets cannot be decrypted while it is lost"
            yield Finding(SECRETS, Status.MISSED, fact, change)
        else:
            yield Finding(SECRETS, Status.MET, f"{url}: in {region}")
    elif scheme in OUTSIDE:
        yield Finding(SECRETS, Status.MET, f"{url}: in {OUTSIDE[scheme]}")
    else:
        yield Finding(SECRETS, Status.UNKNOWN, f"{url}: where this service runs is not known here", change)


def _region_of(url: str) -> str:
    """Return the region of an s3:// or awskms:// URL, from its query or from an ARN in it; "" if it has none."""
    parts = urlsplit(url)
    if found := parse_qs(parts.query).get("region"):
        return found[0]
    _, arn, rest = f"{parts.netloc}{parts.path}".partition("arn:aws:")
    return rest.split(":")[1] if arn else ""
