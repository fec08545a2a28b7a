"""What DNS answers clients: the region behind the public name. A question needs no API of AWS."""

from __future__ import annotations

from dataclasses import dataclass

from dr.clients import Unreachable
from dr.operations import clients_dns
from dr.operations.clients_dns import Answer
from dr.operations.scene import Scene
from dr.topology.topology import Role


@dataclass(frozen=True)
class DnsAnswer:
    """One answer of DNS.

    Args:
        role: Role of the region that clients reach; None if it is unknown.
        ttl: Time to live of the answer in seconds.
        text: The answer as text.
    """

    role: Role | None
    ttl: int
    text: str


def ask(scene: Scene) -> DnsAnswer:
    """Ask for the public name, and compare the answer with those for both regional names."""
    public = scene.primary.dns.public_name
    try:
        answer = clients_dns.ask(public)
    except Unreachable as error:
        return DnsAnswer(None, 0, f"{public}: {error.problems[0].fact}")
    for role, half in scene.halves.items():
        if _same(answer, half.dns.endpoint, half.dns.regional_name):
            return DnsAnswer(role, answer.ttl, f"{public} is {half.region}")
    found = ", ".join(sorted(answer.addresses)) or answer.names[-1]
    return DnsAnswer(None, answer.ttl, f"{public} is {found}, which is neither region")


def _same(answer: Answer, endpoint: str, regional_name: str) -> bool:
    """Return whether an answer leads to an endpoint: by name, or by an address, as an alias record has no name."""
    if endpoint.rstrip(".").lower() in {each.lower() for each in answer.names}:
        return True
    try:
        return bool(answer.addresses & clients_dns.ask(regional_name).addresses)
    except Unreachable:
        return False
