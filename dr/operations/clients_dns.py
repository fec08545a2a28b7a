"""Which region clients reach, from the DNS answer for the public name. A query calls no API of AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dr.clients import Unreachable
from dr.dns_resolver import RESOLVER, resolver_and_port
from dr.errors import Problem

SECONDS = 2.0
"""Time limit of a query."""


@dataclass(frozen=True)
class Clients:
    """Result of the query.

    Args:
        name: The public name.
        region: Region of the endpoint that it leads to; "" if it is unknown.
        reason: Why it is unknown.
        ttl: Time to live of the answer in seconds.
    """

    name: str
    region: str = ""
    reason: str = ""
    ttl: int = 0


@dataclass(frozen=True)
class Answer:
    """A DNS answer.

    Args:
        names: Names of the chain of CNAME records, the query's first.
        addresses: The addresses.
        ttl: Time to live in seconds: how long a resolver may keep the answer.
    """

    names: Sequence[str]
    addresses: frozenset[str] = frozenset()
    ttl: int = 0


def ask(name: str) -> Answer:
    """Return the DNS answer for a name.

    Raises:
        Unreachable: DNS does not answer, or the name does not exist.
    """
    import dns.exception
    import dns.rdatatype

    try:
        resolver, _ = resolver_and_port(SECONDS)
        response = resolver.resolve(name, "A", raise_on_no_answer=False).response
    except (dns.exception.DNSException, OSError) as error:
        remedy = f"check that this machine may query DNS, or set {RESOLVER}"
        raise Unreachable(Problem(name, f"DNS does not answer: {type(error).__name__}", remedy)) from error
    names, addresses = [name], set()
    for records in response.answer:
        if records.rdtype == dns.rdatatype.CNAME:
            names += [str(each.target).rstrip(".").lower() for each in records]
        elif records.rdtype == dns.rdatatype.A:
            addresses |= {each.address for each in records}
    ttl = max((records.ttl for records in response.answer), default=0)
    return Answer(names, frozenset(addresses), ttl)


def region_of(answer: Answer, endpoints: Mapping[str, str]) -> Clients:
    """Return the region that an answer leads to. Pure.

    Args:
        answer: The answer for the public name.
        endpoints: Host name of the endpoint, by region.
    """
    name, chain = answer.names[0], {each.lower() for each in answer.names}
    found = [region for region, endpoint in endpoints.items() if endpoint.rstrip(".").lower() in chain]
    if len(found) == 1:
        return Clients(name, found[0], ttl=answer.ttl)
    led = answer.names[-1] if len(answer.names) > 1 else ", ".join(sorted(answer.addresses)) or "no address"
    known = "which is not an endpoint of the contract" if endpoints else "and the contract is not read"
    return Clients(name, reason=f"the DNS answer is {led}, {known}")
