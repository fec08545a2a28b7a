"""Inference endpoints, by the DNS names that clients use."""

from __future__ import annotations

from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.behaviours import balancers, dns, health_checks
from sandbox.aws.behaviours.balancers import Flow
from sandbox.aws.behaviours.names import region_of
from sandbox.aws.world import World


def connect(world: World, name: str, source: str) -> Flow | None:
    """Connect from an address to the load balancer that a name resolves to; None without one.

    Raises:
        ConnectionCutError: The load balancer cannot be reached, does not admit the address, or has no targets.
    """
    if not world.kubernetes.on:
        return None
    found = balancers.find(world, dns.served_as(world, name))
    return found.connect(source) if found else None


def answer(world: World, host: str, path: str) -> Answer:
    """Answer a health request for the endpoint that the Host header names."""
    name = dns.served_as(world, host.partition(":")[0])
    region = region_of(name)
    if region and world.faults.unreachable(region):
        raise ConnectionCutError(f"{name}: {region} cannot be reached")
    healthy, reason = health_checks.endpoint(world, name, path)
    status = 200 if healthy else 503 if region else 404
    return Answer.of_text(f"{health_checks.body_of(path) if healthy else reason}\n", status)


def region_serving(world: World, name: str) -> str | None:
    """The region of the endpoint that a name resolves to; None for an unknown name."""
    return region_of(dns.served_as(world, name))
