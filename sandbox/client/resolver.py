"""Caching DNS resolvers, as clients have them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.resolver

LOOKUP_SECONDS = 5.0
"""Time limit of one query."""


class ClockCache(dns.resolver.CacheBase):
    """Answers until their time to live is over on a clock.

    Args:
        clock: Returns the time in seconds.
        overshoot: Seconds beyond the time to live that answers are kept, as some resolvers and runtimes do.
        first_share: Share of its time to live that the first answer is kept: other clients of the resolver asked for it
            before.
    """

    def __init__(self, clock: Callable[[], float], overshoot: float, first_share: float) -> None:
        super().__init__()
        self._clock, self._overshoot, self._share = clock, overshoot, first_share
        self._held: dict[dns.resolver.CacheKey, tuple[float, dns.resolver.Answer]] = {}

    def get(self, key: dns.resolver.CacheKey) -> dns.resolver.Answer | None:
        """Return a cached answer; None if there is none or it is over."""
        with self.lock:
            expires, answer = self._held.get(key, (float("-inf"), None))
            return answer if self._clock() < expires else None

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        """Keep an answer for the least time to live of its records."""
        with self.lock:
            kept = value.chaining_result.minimum_ttl * self._share + self._overshoot
            self._share = 1.0
            self._held[key] = (self._clock() + kept, value)

    def flush(self, key: dns.resolver.CacheKey | None = None) -> None:
        """Forget one answer, or all."""
        with self.lock:
            self._held = {} if key is None else {held: value for held, value in self._held.items() if held != key}


@dataclass(frozen=True)
class Resolved:
    """A resolved name.

    Args:
        address: One of its IP addresses.
        canonical: The last name of the chain of CNAMEs, without a final dot.
    """

    address: str
    canonical: str


class LookupFailedError(Exception):
    """A name does not resolve."""


class CachingResolver:
    """The resolver of one client population.

    Args:
        server: Address of the DNS server, host:port.
        clock: Returns the time in seconds, by which answers expire.
        overshoot: Seconds beyond the time to live that answers are kept.
        first_share: Share of its time to live that the first answer is kept.
    """

    def __init__(
        self, server: str, clock: Callable[[], float], overshoot: float = 0.0, first_share: float = 1.0
    ) -> None:
        host, _, port = server.partition(":")
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers, self._resolver.port = [host], int(port)
        self._resolver.cache = ClockCache(clock, overshoot, first_share)
        self._lock = threading.Lock()

    def resolve(self, name: str) -> Resolved:
        """Return an address of a name: any of those in the cached answer.

        Raises:
            LookupFailedError: The name does not resolve, or DNS does not answer.
        """
        try:
            # One query at a time: concurrent requests after an expiry share the next answer.
            with self._lock:
                answer = self._resolver.resolve(name, "A", lifetime=LOOKUP_SECONDS)
        except dns.exception.DNSException as error:
            raise LookupFailedError(f"{name} does not resolve: {type(error).__name__}: {error}") from error
        address = str(random.choice(list(answer)))  # noqa: S311 - not a secret
        return Resolved(address, str(answer.canonical_name).rstrip("."))
