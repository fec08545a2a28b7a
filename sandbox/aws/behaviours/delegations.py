"""Delegations of domains to name servers: the part of DNS outside Route 53, which the owner of the parent zone sets."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from moto.route53.models import DelegationSet, FakeZone, route53_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours.names import plain

DELEGATION_SET = "N0SANDBOXDELEGATION"
"""Reusable delegation set that the sandbox's account has from the start."""
DOMAIN = "ml.example.com"
"""Domain that its parent zone delegates to that set from the start."""
SERVERS = ("ns-7.awsdns-00.com", "ns-519.awsdns-00.net", "ns-1031.awsdns-00.org", "ns-1543.awsdns-00.co.uk")


def table() -> dict[str, set[str]]:
    """Return the name servers by delegated domain, kept with moto's own state, so that a reset drops changes."""
    backend = route53_backends[ACCOUNT][PARTITION]
    backend.delegation_sets.setdefault(DELEGATION_SET, DelegationSet("sandbox", list(SERVERS), DELEGATION_SET))
    kept: dict[str, set[str]] = vars(backend).setdefault("sandbox_delegations", {DOMAIN: set(SERVERS)})
    return kept


def delegate(domain: str, servers: Iterable[str]) -> None:
    """Set the NS record of a domain in its parent zone; no servers remove it."""
    names = {plain(server) for server in servers}
    table().pop(plain(domain), None)
    if names:
        table()[plain(domain)] = names


def delegated(zone: FakeZone) -> bool:
    """Whether resolvers reach a zone: its parent's NS record names the zone's own name servers."""
    servers = zone.delegation_set.name_servers if zone.delegation_set else []
    return table().get(plain(zone.name)) == {plain(server) for server in servers}


def fresh_servers() -> list[str]:
    """Return four name servers for a new zone. Route 53 gives each zone another set."""
    number = secrets.randbelow(400) + 100
    tops = ("com", "net", "org", "co.uk")
    return [f"ns-{number + step * 512}.awsdns-{number % 64:02}.{top}" for step, top in enumerate(tops)]
