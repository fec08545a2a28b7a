"""IP addresses of load balancers, assigned when a name is resolved for the first time."""

from __future__ import annotations

import threading
from ipaddress import IPv4Address, IPv4Network

BLOCK = IPv4Network("198.18.0.0/15")
"""Block of the addresses: reserved for benchmarks (RFC 2544), so never an address on the internet."""


class Addresses:
    """Addresses by DNS name. An address keeps its name until `forget`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, list[str]] = {}
        self._assigned: dict[str, str] = {}

    def of(self, name: str, count: int) -> tuple[str, ...]:
        """Return the addresses of a name, always the same ones.

        Args:
            name: DNS name in lower case, without a final dot.
            count: Number of addresses.
        """
        with self._lock:
            held = self._names.setdefault(name, [])
            while len(held) < count:
                address = str(BLOCK[len(self._assigned) + 1])
                self._assigned[address] = name
                held.append(address)
            return tuple(held[:count])

    def name_of(self, address: str) -> str | None:
        """Return the name that an address belongs to; None for another text or an unknown address."""
        return self._assigned.get(address)

    def forget(self) -> None:
        """Release all addresses."""
        with self._lock:
            self._names.clear()
            self._assigned.clear()


def is_address(text: str) -> bool:
    """Return whether a text is an IPv4 address."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
