"""Check that the DNS zone is delegated: its parent zone's NS record names the zone's name servers.

ACM issues a certificate only when its validation records are found in public DNS (ACM user guide, "DNS validation"). A
zone that is created in the same update cannot be delegated yet, because Route 53 chooses its name servers at creation,
unless they come from a reusable delegation set (Route 53 developer guide, "Configuring white-label name servers").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dr.clients import Missing, Unreachable, calls, client
from dr.dns_resolver import RESOLVER, SECONDS, resolver_and_port
from dr.errors import Problem
from dr.findings import Finding, Status
from dr.names import GLOBAL_REGION
from dr.preflight.check import Subject
from dr.topology.topology import Role


def look(subject: Subject) -> Iterator[Finding]:
    """Compare the name servers of the zone with the NS record of the parent zone.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: Route 53 refused a request.
        Unreachable: Route 53 or DNS does not answer.
    """
    topology = subject.topology
    domain, name = topology.dns.domain, f"delegation of {topology.dns.domain}"
    try:
        zones = _zones(subject)
        wanted = [_servers_of("hosted zone", "get_hosted_zone", zone) for zone in zones]
        if not zones and topology.dns.delegation_set:
            wanted = [_servers_of("delegation set", "get_reusable_delegation_set", topology.dns.delegation_set)]
    except Missing as error:
        yield Finding(name, Status.MISSED, error.problems[0].fact, _steps(domain))
        return
    if not wanted and topology.role is Role.RECOVERY:
        yield Finding(name, Status.MISSED, "there is no hosted zone of this name", "`pulumi up -s primary` first")
        return
    if not wanted:
        fact = (
            "the first update would create the zone, to which nothing delegates, and wait 30 minutes for a certificate"
        )
        yield Finding(name, Status.MISSED, fact, _steps(domain))
        return
    found = parent_servers(domain)
    if any(found == servers for servers in wanted):
        yield Finding(name, Status.MET, ", ".join(sorted(found)))
        return
    listed = ", ".join(sorted(wanted[0]))
    fact = f"the parent zone names {', '.join(sorted(found)) or 'no name servers'}; the zone has {listed}"
    hint = f"in the parent zone, set the NS record of {domain} to {listed}; ACM then validates within minutes"
    yield Finding(name, Status.MISSED, fact, hint)


def _steps(domain: str) -> str:
    create = f"aws route53 create-hosted-zone --name {domain} --caller-reference $(date +%s)"
    return (
        f"`{create}`, set the NS record of {domain} in the parent zone to the name servers that it prints, then "
        "`pulumi config set dr:hostedZone <ID of the zone> -s primary` (README.md, step 4)"
    )


def _zones(subject: Subject) -> list[str]:
    """Return the IDs of the zone that is deployed or configured, or else of the zones with the name of the domain."""
    if subject.deployed:
        return [subject.deployed.dns.zone_id]
    dns = subject.topology.dns
    if dns.zone_id:
        return [dns.zone_id]
    with calls(f"hosted zones of {dns.domain}", GLOBAL_REGION):
        found = client("route53", GLOBAL_REGION).list_hosted_zones_by_name(DNSName=dns.domain, MaxItems="100")[
            "HostedZones"
        ]
    return [
        each["Id"].rpartition("/")[2]
        for each in found
        if each["Name"].rstrip(".") == dns.domain and not each.get("Config", {}).get("PrivateZone")
    ]


def _servers_of(kind: str, operation: str, id: str) -> set[str]:
    """Return the name servers of a hosted zone or of a reusable delegation set."""
    with calls(f"{kind} {id}", GLOBAL_REGION):
        answer = getattr(client("route53", GLOBAL_REGION), operation)(Id=id)
    return _names(answer["DelegationSet"]["NameServers"])


def _names(servers: Iterable[object]) -> set[str]:
    """Return names of servers in one spelling: in lower case, without a final dot."""
    return {str(server).rstrip(".").lower() for server in servers}


def parent_servers(domain: str) -> set[str]:
    """Return the name servers to which the parent zone delegates a domain; empty if it does not.

    A name server of the parent zone is asked, because a resolver does not answer for a zone that does not exist yet.

    Args:
        domain: The domain, without a final dot.

    Raises:
        Unreachable: DNS does not answer.
    """
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rdatatype
    import dns.resolver

    resolver, port = resolver_and_port()
    name = dns.name.from_text(domain)
    try:
        parent = dns.resolver.zone_for_name(name.parent(), resolver=resolver)
        server = min(str(each.target) for each in resolver.resolve(parent, "NS"))
        address = str(resolver.resolve(server, "A")[0])
        query = dns.message.make_query(name, dns.rdatatype.NS)
        query.flags &= ~dns.flags.RD
        response, _ = dns.query.udp_with_fallback(query, address, timeout=SECONDS, port=port)
    except (dns.exception.DNSException, OSError) as error:
        remedy = f"check that this machine may ask name servers on the internet, or set {RESOLVER}"
        fact = f"DNS does not answer: {type(error).__name__}: {error}"
        raise Unreachable(Problem(f"delegation of {domain}", fact, remedy)) from error
    records = [*response.answer, *response.authority]
    return _names(
        each.target for rrset in records if rrset.name == name and rrset.rdtype == dns.rdatatype.NS for each in rrset
    )
