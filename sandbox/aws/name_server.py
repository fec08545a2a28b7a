"""DNS server over UDP and TCP: the name servers of all public hosted zones, of their parent zones, and a resolver.

All of them share one address. A query without the flag RD is one to a name server: of the parent zone, if it asks for
the NS records of a domain, else of the hosted zone. A query with RD is one to a resolver without a cache: its answer
follows CNAMEs. Answers from a hosted zone have the flag AA.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
import traceback
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from sandbox.aws.behaviours import delegations
from sandbox.aws.behaviours import dns as route53
from sandbox.aws.behaviours.dns import RecordSetAnswer
from sandbox.aws.behaviours.names import plain
from sandbox.aws.world import World

PARENT_TTL_SECONDS = 60
NEGATIVE_TTL_SECONDS = 900
"""Time that resolvers keep the answer that a name does not exist (Route 53 developer guide, "The start of authority
(SOA) record")."""
PLAIN_UDP_BYTES = 512
"""Longest UDP response to a query without EDNS (RFC 1035)."""
IDLE_SECONDS = 10.0
"""Time after which a silent TCP connection is closed."""
ATTEMPTS = 50


class NameServer:
    """Answers on one port of 127.0.0.1, by UDP and TCP, from threads, until `stop`.

    Args:
        world: The emulator's shared parts.

    Raises:
        OSError: No port is free for both protocols.
    """

    def __init__(self, world: World) -> None:
        self._servers = _listen(world)
        self._threads = [
            threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True) for each in self._servers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def address(self) -> str:
        """Its address, host:port."""
        bound: Any = self._servers[0].server_address
        return f"{bound[0]}:{bound[1]}"

    def stop(self) -> None:
        """Stop answering and release the port."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _listen(world: World) -> tuple[socketserver.BaseServer, ...]:
    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sender = cast("Any", self.request)
            with contextlib.suppress(dns.exception.DNSException, OSError):
                query = dns.message.from_wire(data)
                longest = query.payload if query.edns >= 0 else PLAIN_UDP_BYTES
                sender.sendto(
                    _response(world, query).to_wire(max_size=longest, prefer_truncation=True), self.client_address
                )

    class Tcp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(IDLE_SECONDS)
            with contextlib.suppress(dns.exception.DNSException, OSError, EOFError):
                while True:
                    query, _ = dns.query.receive_tcp(self.request)
                    dns.query.send_tcp(self.request, _response(world, query))

    class TcpServer(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    class UdpServer(socketserver.ThreadingUDPServer):
        daemon_threads, block_on_close = True, False

    for attempt in range(ATTEMPTS):
        tcp = TcpServer(("127.0.0.1", 0), Tcp)
        try:
            return tcp, UdpServer(("127.0.0.1", tcp.server_address[1]), Udp)
        except OSError:  # another program has the UDP port
            tcp.server_close()
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _response(world: World, query: dns.message.Message) -> dns.message.Message:
    try:
        return answer(world, query)
    except Exception:  # noqa: BLE001 - a client is to get SERVFAIL rather than wait, whatever failed
        sys.stderr.write(f"DNS query {query.question} failed\n{traceback.format_exc()}")
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
        return response


def answer(world: World, query: dns.message.Message) -> dns.message.Message:
    """Return the response to a query."""
    response = dns.message.make_response(query, recursion_available=bool(query.flags & dns.flags.RD))
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response
    name, kind = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
    zone = route53.public_zone(plain(name.to_text()))
    apex = zone is not None and plain(zone.name) == plain(name.to_text())
    if query.flags & dns.flags.RD:
        if zone is None and (records := _of_parents(name, kind)):
            response.answer += [_rrset(each) for each in records]
        else:
            _add(response, world, route53.resolve(world, name.to_text(), kind))
    elif kind == "NS" and (zone is None or apex):
        _refer(response, name)
        return response
    elif zone is None:
        response.set_rcode(dns.rcode.REFUSED)
    else:
        _add(response, world, route53.answer_for(world, zone, name.to_text(), kind))
    if zone is not None:
        # The flag is about the first name of an answer (RFC 1035), wherever a CNAME leads.
        response.flags |= dns.flags.AA
    return response


def _add(response: dns.message.Message, world: World, reply: route53.Reply) -> None:
    """Write a reply; without data, the zone's SOA record limits how long resolvers keep it (RFC 2308)."""
    response.set_rcode(dns.rcode.from_text(reply.code))
    response.answer += [_rrset(each) for each in reply.records]
    if reply.zone and (not reply.records or reply.code != "NOERROR"):
        zone = plain(reply.zone.name)
        for each in route53.answer_for(world, reply.zone, zone, "SOA").records:
            response.authority.append(_rrset(RecordSetAnswer(zone, "SOA", NEGATIVE_TTL_SECONDS, each.data)))


def _of_parents(name: dns.name.Name, kind: str) -> list[RecordSetAnswer]:
    """Records outside all hosted zones: each domain there has a zone, whose name server has this address."""
    text = plain(name.to_text())
    data = {"SOA": f"ns.{text} hostmaster.{text} 1 7200 900 1209600 60", "NS": f"ns.{text}"}
    if text.startswith("ns."):
        data["A"] = "127.0.0.1"
    return [RecordSetAnswer(text, kind, PARENT_TTL_SECONDS, (data[kind],))] if kind in data else []


def _refer(response: dns.message.Message, name: dns.name.Name) -> None:
    """Answer as the parent zone's name server: with the delegation of a domain."""
    servers = sorted(delegations.table().get(plain(name.to_text()), ()))
    if servers:
        found = RecordSetAnswer(plain(name.to_text()), "NS", PARENT_TTL_SECONDS, tuple(servers))
        response.authority.append(_rrset(found))
    else:
        response.flags |= dns.flags.AA
        response.set_rcode(dns.rcode.NXDOMAIN)


def _rrset(records: RecordSetAnswer) -> Any:
    """Records in the library's form; names in their data are absolute, with or without a final dot."""
    name = dns.name.from_text(records.name)
    return dns.rrset.from_text_list(
        name, records.ttl, "IN", records.kind, records.data, origin=dns.name.root, relativize=False
    )
