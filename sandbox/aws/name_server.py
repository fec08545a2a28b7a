"""DNS over UDP: a resolver of the emulated internet, and the name server of every parent zone.

A question with the flag RD is one to a resolver: each parent zone has a name server on this address. A question without
it is one to that name server, which answers with the delegation of a domain.
"""

from __future__ import annotations

import contextlib
import socket
import threading

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.aws.behaviours import delegations
from sandbox.aws.behaviours.names import plain

TTL_SECONDS = 60
LONGEST_BYTES = 4096


class NameServer:
    """Answers on a UDP port of 127.0.0.1 from a thread, until `stop`.

    Args:
        port: The port.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve, name="name-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and release the port."""
        # A datagram to itself wakes the thread: closing a socket does not end recvfrom on every system.
        with contextlib.suppress(OSError):
            self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(LONGEST_BYTES)
            if not wire:
                return
            with contextlib.suppress(dns.exception.DNSException, OSError):
                self._socket.sendto(answer(dns.message.from_wire(wire)).to_wire(), client)


def answer(query: dns.message.Message) -> dns.message.Message:
    """Return the response to a query."""
    response = dns.message.make_response(query)
    question = query.question[0]
    name, kind = question.name, question.rdtype
    if query.flags & dns.flags.RD:
        response.flags |= dns.flags.RA
        record = {
            dns.rdatatype.SOA: f"ns.{name} hostmaster.{name} 1 7200 900 1209600 60",
            dns.rdatatype.NS: f"ns.{name}",
            dns.rdatatype.A: "127.0.0.1",
        }.get(kind)
        if record:
            response.answer.append(dns.rrset.from_text(name, TTL_SECONDS, "IN", dns.rdatatype.to_text(kind), record))
        return response
    servers = sorted(delegations.table().get(plain(name.to_text()), ()))
    if servers:
        texts = [f"{server}." for server in servers]
        response.authority.append(dns.rrset.from_text(name, TTL_SECONDS, "IN", "NS", *texts))
    else:
        response.flags |= dns.flags.AA
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response
