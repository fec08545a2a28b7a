"""The emulator's DNS server, queried over UDP and TCP by an independent client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

Control = Callable[..., Any]
DOMAIN = "ml.example.com"
PUBLIC = f"inference.{DOMAIN}"
SERVING = {region: f"lb-0.elb.{region}.amazonaws.com" for region in (PRIMARY, RECOVERY)}
SECONDS = 30.0


class Dns:
    """A zone with weighted records, and a client of its name server."""

    def __init__(self, aws: Running) -> None:
        host, _, port = aws.names.address.partition(":")
        self.host, self.port = host, int(port)
        self.route53 = aws.client("route53", PRIMARY)
        self.zone = self.route53.create_hosted_zone(Name=DOMAIN, CallerReference="zone")["HostedZone"]["Id"]

    def put(self, name: str, kind: str, values: list[str], **fields: Any) -> None:
        record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": each} for each in values]}
        self.change({**record, **fields})

    def change(self, record: dict[str, Any]) -> None:
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        self.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": changes})

    def weighted(self, region: str, weight: int, **fields: Any) -> None:
        self.put(PUBLIC, "CNAME", [SERVING[region]], SetIdentifier=region, Weight=weight, **fields)

    def query(
        self, name: str, kind: str = "A", *, recursive: bool = True, tcp: bool = False, **options: Any
    ) -> dns.message.Message:
        message = dns.message.make_query(name, kind, **options)
        if not recursive:
            message.flags &= ~dns.flags.RD
        send = dns.query.tcp if tcp else dns.query.udp
        return send(message, self.host, port=self.port, timeout=SECONDS)

    def targets(self, count: int) -> list[str]:
        return [str(self.query(PUBLIC, "CNAME").answer[0][0]).rstrip(".") for _ in range(count)]


@pytest.fixture
def server(aws: Running) -> Dns:
    return Dns(aws)


def texts(message: dns.message.Message) -> list[str]:
    return [line for rrset in message.answer for line in rrset.to_text().splitlines()]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_public_name_resolves_to_the_load_balancers_address_with_each_records_ttl(server: Dns, tcp: bool) -> None:
    server.weighted(PRIMARY, 100, TTL=30)
    answer = server.query(PUBLIC, tcp=tcp)

    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.RA
    assert answer.flags & dns.flags.AA
    cname, address = texts(answer)
    assert cname == f"{PUBLIC}. 30 IN CNAME {SERVING[PRIMARY]}."
    assert address.startswith(f"{SERVING[PRIMARY]}. 60 IN A 198.18.")
    assert texts(server.query(PUBLIC, tcp=tcp)) == [cname, address], "an address does not change"


def test_librarys_resolver_resolves_the_public_name(server: Dns) -> None:
    server.weighted(PRIMARY, 100)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [server.host], server.port
    found = resolver.resolve(PUBLIC, "A", lifetime=SECONDS)

    assert str(found.canonical_name) == f"{SERVING[PRIMARY]}."


def test_name_server_answers_for_its_zone_with_authority_and_follows_no_cname(server: Dns) -> None:
    server.weighted(PRIMARY, 100)
    answer = server.query(PUBLIC, recursive=False)

    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA
    assert texts(answer) == [f"{PUBLIC}. 60 IN CNAME {SERVING[PRIMARY]}."]
    assert server.query("www.example.org", recursive=False).rcode() == dns.rcode.REFUSED


def test_cname_inside_the_zone_is_followed(server: Dns) -> None:
    server.put("www.ml.example.com", "CNAME", ["host.ml.example.com"], TTL=300)
    server.put("host.ml.example.com", "A", ["192.0.2.1"], TTL=20)

    assert texts(server.query("www.ml.example.com")) == [
        "www.ml.example.com. 300 IN CNAME host.ml.example.com.",
        "host.ml.example.com. 20 IN A 192.0.2.1",
    ]


def test_each_query_is_answered_by_a_random_choice_in_proportion_to_the_weights(server: Dns) -> None:
    for region, weight in ((PRIMARY, 90), (RECOVERY, 10)):
        server.weighted(region, weight)
    found = server.targets(300)

    assert 200 < found.count(SERVING[PRIMARY]) < 300


def test_standby_record_is_answered_once_the_checkers_have_found_the_endpoint_unhealthy(
    server: Dns, control: Control
) -> None:
    config = {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": SERVING[PRIMARY],
        "ResourcePath": "/v2/health/ready",
        "RequestInterval": 10,
        "FailureThreshold": 2,
    }
    check = server.route53.create_health_check(CallerReference="1", HealthCheckConfig=config)["HealthCheck"]["Id"]
    server.weighted(PRIMARY, 100, HealthCheckId=check)
    server.weighted(RECOVERY, 0)
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True, "with_global": True})

    assert set(server.targets(20)) == {SERVING[PRIMARY]}
    control("POST", "clock", {"advance": 20})
    assert set(server.targets(20)) == {SERVING[RECOVERY]}


def test_alias_of_a_load_balancer_is_its_addresses_with_60_s(server: Dns) -> None:
    target = {"HostedZoneId": "Z26RNL4JYFTOTI", "DNSName": SERVING[PRIMARY], "EvaluateTargetHealth": True}
    server.change({"Name": PUBLIC, "Type": "A", "AliasTarget": target})
    (line,) = texts(server.query(PUBLIC))

    assert line.startswith(f"{PUBLIC}. 60 IN A 198.18.")
    assert texts(server.query(SERVING[PRIMARY]))[0].split()[-1] == line.split()[-1]


def test_alias_of_a_record_has_the_records_ttl(server: Dns) -> None:
    server.put("host.ml.example.com", "A", ["192.0.2.1"], TTL=20)
    target = {"HostedZoneId": server.zone.rpartition("/")[2], "DNSName": "host.ml.example.com"}
    server.change({"Name": PUBLIC, "Type": "A", "AliasTarget": {**target, "EvaluateTargetHealth": False}})

    assert texts(server.query(PUBLIC)) == [f"{PUBLIC}. 20 IN A 192.0.2.1"]


def test_unknown_name_is_nxdomain_with_the_zones_soa(server: Dns) -> None:
    answer = server.query("unknown.ml.example.com")
    (soa,) = answer.authority

    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert (soa.name.to_text(), soa.ttl) == ("ml.example.com.", 900)


def test_name_without_records_of_the_type_exists_without_data(server: Dns) -> None:
    server.put("a.b.ml.example.com", "A", ["192.0.2.1"])

    for name, kind in (("a.b.ml.example.com", "TXT"), ("b.ml.example.com", "A")):
        answer = server.query(name, kind)
        assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_load_balancer_exists_without_ipv6_addresses(server: Dns) -> None:
    server.weighted(PRIMARY, 100)
    answer = server.query(PUBLIC, "AAAA")

    assert answer.rcode() == dns.rcode.NOERROR
    assert texts(answer) == [f"{PUBLIC}. 60 IN CNAME {SERVING[PRIMARY]}."]
    server.put("gone.ml.example.com", "CNAME", ["www.example.org"])
    assert server.query("gone.ml.example.com").rcode() == dns.rcode.NXDOMAIN


def test_long_answer_over_udp_is_truncated_and_complete_over_tcp(server: Dns) -> None:
    values = [f'"{number:02}{"x" * 100}"' for number in range(20)]
    server.put("txt.ml.example.com", "TXT", values)

    assert server.query("txt.ml.example.com", "TXT").flags & dns.flags.TC
    assert not server.query("txt.ml.example.com", "TXT", use_edns=0, payload=4096).flags & dns.flags.TC
    assert len(texts(server.query("txt.ml.example.com", "TXT", tcp=True))) == 20


def test_zones_own_name_servers_are_answered_with_recursion_and_the_delegation_without(server: Dns) -> None:
    own = {line.split()[-1] for line in texts(server.query(DOMAIN, "NS"))}

    assert len(own) == 4
    delegation = server.query(DOMAIN, "NS", recursive=False)
    assert not delegation.flags & dns.flags.AA
    assert {str(each) for each in delegation.authority[0]} != own, "the zone is not delegated yet"


def test_datagram_that_is_not_dns_is_ignored(server: Dns) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"not DNS", (server.host, server.port))
    assert server.query(DOMAIN, "SOA").answer
