"""Inference endpoints, by the DNS names that clients use or by the addresses that DNS gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.answer import Answer, Connection, ConnectionCutError
from sandbox.aws.behaviours import balancers, dns, health_checks
from sandbox.aws.behaviours.balancers import Flow
from sandbox.aws.behaviours.names import region_of
from sandbox.aws.world import World


@dataclass(frozen=True)
class HealthConnection:
    """A client's connection to an endpoint where Kubernetes does not run: it answers health paths."""

    world: World
    name: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the answer to a request. Raises ConnectionCutError."""
        return answer(self.world, self.name, environ["PATH_INFO"])


def connect(world: World, name: str, source: str) -> Flow | None:
    """Connect from an address to the load balancer that a name or an address leads to; None without one.

    Raises:
        ConnectionCutError: The load balancer cannot be reached, does not admit the address, or has no targets.
    """
    if not world.kubernetes.on:
        return None
    found = balancers.find(world, dns.served_as(world, name))
    return found.connect(source) if found else None


def connection(world: World, name: str, source: str) -> Connection | None:
    """Like `connect`, also where Kubernetes does not run: there, a name that leads to a region is an endpoint.

    Raises:
        ConnectionCutError: Like `connect`, or the region cannot be reached.
    """
    if world.kubernetes.on:
        return connect(world, name, source)
    served = dns.served_as(world, name)
    region = region_of(served)
    if region is None:
        return None
    if world.faults.unreachable(region):
        raise ConnectionCutError(f"{name}: {region} cannot be reached")
    return HealthConnection(world, served)


def answer(world: World, host: str, path: str) -> Answer:
    """Answer a health request for the endpoint that the Host header names."""
    name = dns.served_as(world, host.partition(":")[0])
    region = region_of(name)
    if region and world.faults.unreachable(region):
        raise ConnectionCutError(f"{name}: {region} cannot be reached")
    found = health_checks.endpoint(world, name, path)
    status = 200 if found.healthy else 503 if region else 404
    return Answer.of_text(f"{health_checks.body_of(path) if found.healthy else found.reason}\n", status)
