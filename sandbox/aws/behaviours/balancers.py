"""Network load balancers that serve: from a name to one of its targets, a connection at a time.

A connection stays with the target it got. It fails where that does not answer, and where there is no target at all; the
load balancer's own addresses are always there, but in a region that is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from moto.elbv2.models import FakeTargetGroup, elbv2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.behaviours import target_health
from sandbox.aws.world import World

CHECKERS_NEEDED = 0.18
"""Route 53: an endpoint is healthy when more than 18 % of its checkers say so (developer guide, "How Route 53
determines whether a health check is healthy"); each of their connections gets a target of its own."""


@dataclass(frozen=True)
class Balancer:
    """A load balancer with a listener that forwards to a target group."""

    world: World
    region: str
    name: str
    group: FakeTargetGroup

    @property
    def health(self) -> target_health.TargetHealth:
        """The checks of its targets."""
        return target_health.of(self.group, self.world.kubernetes.speed)

    def answers(self, target: str) -> bool:
        """Whether a target answers."""
        return self.world.kubernetes.answers(self.region, target)

    def connect(self) -> Flow:
        """A connection. Raises ConnectionCutError."""
        if self.world.faults.unreachable(self.region):
            raise ConnectionCutError(f"{self.name}: {self.region} cannot be reached")
        target = self.health.choose(self.answers)
        if target is None:
            raise ConnectionCutError(f"{self.name}: no targets")
        return Flow(self, target)

    def verdict(self) -> tuple[bool, str]:
        """What Route 53's checkers find, and why."""
        if self.world.faults.unreachable(self.region):
            return False, f"{self.name} cannot be reached, as all of {self.region}"
        found = self.health.candidates(self.answers)
        answering = sum(map(self.answers, found))
        healthy = answering > CHECKERS_NEEDED * len(found)
        return healthy, f"{self.name}: {answering} of {len(found)} targets answer"

    def has_healthy_target(self) -> bool:
        """What `EvaluateTargetHealth` goes by."""
        return target_health.HEALTHY in self.health.look(self.answers).values()


@dataclass(frozen=True)
class Flow:
    """A client's connection to one target of a load balancer."""

    balancer: Balancer
    target: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """The target's answer to a request. Raises ConnectionCutError."""
        region, world = self.balancer.region, self.balancer.world
        if world.faults.unreachable(region):
            raise ConnectionCutError(f"{self.balancer.name}: {region} cannot be reached")
        path, query = quote(environ["PATH_INFO"]), environ.get("QUERY_STRING", "")
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        if kind := environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = kind
        asked = f"{path}?{query}" if query else path
        return world.kubernetes.ask(region, self.target, environ["REQUEST_METHOD"], asked, headers, body)


def behind(world: World, name: str) -> Balancer | None:
    """The load balancer of a DNS name of its own, where Kubernetes runs behind it."""
    return find(world, name) if world.kubernetes.on else None


def find(world: World, name: str) -> Balancer | None:
    """The load balancer of a DNS name of its own; None where there is none, or it forwards nothing."""
    for region, backend in list(elbv2_backends[ACCOUNT].items()):
        for balancer in list(backend.load_balancers.values()):
            if balancer.dns_name.lower() == name.lower():
                actions = [action for each in balancer.listeners.values() for action in each.default_actions]
                groups = [
                    group
                    for action in actions
                    for arn in _forwards(action.data)
                    if (group := backend.target_groups.get(arn))
                ]
                return Balancer(world, region, name, groups[0]) if groups else None
    return None


def _forwards(action: Mapping[str, Any]) -> list[str]:
    """Target groups that an action names, in either of its two forms."""
    listed = [each["TargetGroupArn"] for each in action.get("ForwardConfig", {}).get("TargetGroups", ())]
    return [action["TargetGroupArn"]] if "TargetGroupArn" in action else listed
