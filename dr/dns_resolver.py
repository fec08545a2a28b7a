"""The DNS resolver of all queries."""

from __future__ import annotations

import os
from typing import Any

RESOLVER = "DR_RESOLVER"
"""Environment variable with the address of a DNS resolver, host:port, for networks with DNS of their own."""
SECONDS = 3.0
"""Time limit of one query."""


def resolver_and_port(seconds: float = SECONDS) -> tuple[Any, int]:
    """Return the resolver to use, and the port of name servers.

    Args:
        seconds: Time limit of a query.
    """
    import dns.resolver

    host, _, port = os.environ.get(RESOLVER, "").partition(":")
    resolver = dns.resolver.Resolver(configure=not host)
    resolver.lifetime = seconds
    if host:
        resolver.nameservers, resolver.port = [host], int(port or 53)
    return resolver, int(port or 53)
