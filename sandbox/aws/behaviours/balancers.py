"""Network load balancers: route each connection to one target.

A connection keeps its target. It fails if the target does not answer, without any target, and in an unreachable region.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.elbv2.models import FakeTargetGroup, elbv2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.behaviours import checkers, sources, target_health
from sandbox.aws.world import World

HTTPS_PORT = 443
INFERENCE = "/infer"
"""End of the path of an inference request (Open Inference Protocol)."""


@dataclass(frozen=True)
class Probed:
    """What Route 53's checkers find at an endpoint in one round.

    Args:
        passes: Whether a connection passes, for each target that a connection can reach; () if none can be opened.
        reason: Why.
    """

    passes: tuple[bool, ...]
    reason: str

    @property
    def healthy(self) -> bool:
        """Whether this round, alone, makes the endpoint healthy."""
        return checkers.enough(sum(self.passes), len(self.passes))


@dataclass(frozen=True)
class Balancer:
    """A load balancer with a listener that forwards to a target group."""

    world: World
    region: str
    name: str
    group: FakeTargetGroup
    security_groups: tuple[str, ...] = ()

    def admits(self, source: str) -> bool:
        """Whether the security groups admit an address."""
        return sources.admitted(self.region, self.security_groups, HTTPS_PORT, source)

    @property
    def health(self) -> target_health.TargetHealth:
        """The checks of its targets."""
        return target_health.of(self.group, self.world.kubernetes.target_speed)

    def answers(self, target: str) -> bool:
        """Whether a target answers the target group's own health check."""
        return self.world.kubernetes.answers(self.region, target, self.group.health_check_path or "/")

    def connect(self, source: str) -> Flow:
        """Open a connection from an address. Raises ConnectionCutError."""
        if self.world.faults.unreachable(self.region):
            raise ConnectionCutError(f"{self.name}: {self.region} cannot be reached")
        if not self.admits(source):
            raise ConnectionCutError(f"{self.name}: its security groups do not admit {source}")
        target = self.health.choose(self.answers)
        if target is None:
            raise ConnectionCutError(f"{self.name}: no targets")
        return Flow(self, target)

    def probe(self, path: str) -> Probed:
        """What Route 53's checkers find, which request a path."""
        if self.world.faults.unreachable(self.region):
            return Probed((), f"{self.name} cannot be reached, as all of {self.region}")
        if not self.admits(sources.CHECKER):
            return Probed((), f"{self.name}: its security groups do not admit Route 53's health checkers")
        found = self.health.candidates(self.answers)
        passes = tuple(self.world.kubernetes.answers(self.region, target, path) for target in found)
        return Probed(passes, f"{self.name}: {sum(passes)} of {len(found)} targets answer {path} with 200")

    def has_healthy_target(self) -> bool:
        """The criterion of `EvaluateTargetHealth`: a healthy target. Without targets it is not met."""
        if self.world.faults.unreachable(self.region):
            return False
        return target_health.HEALTHY in self.health.look(self.answers).values()


@dataclass(frozen=True)
class Flow:
    """A client's connection to one target of a load balancer."""

    balancer: Balancer
    target: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the target's answer to a request. Raises ConnectionCutError."""
        region, world = self.balancer.region, self.balancer.world
        if world.faults.unreachable(region):
            raise ConnectionCutError(f"{self.balancer.name}: {region} cannot be reached")
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        if kind := environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = kind
        # Unchanged, as a load balancer of connections passes it on: not the decoded PATH_INFO.
        path = environ["REQUEST_URI"]
        if path.partition("?")[0].endswith(INFERENCE):
            time.sleep(world.faults.inference_delay(region))
        return world.kubernetes.ask(region, self.target, environ["REQUEST_METHOD"], path, headers, body)


def behind(world: World, name: str) -> Balancer | None:
    """Like `find`, where Kubernetes runs; None elsewhere."""
    return find(world, name) if world.kubernetes.on else None


def find(world: World, name: str) -> Balancer | None:
    """Find a load balancer by its own DNS name; None if it does not exist or forwards nothing."""
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
                held = tuple(balancer.security_groups or ())
                return Balancer(world, region, name, groups[0], held) if groups else None
    return None


def zones_of(name: str) -> int:
    """Number of zones of the load balancer with a DNS name; 0 without one."""
    for backend in list(elbv2_backends[ACCOUNT].values()):
        for balancer in list(backend.load_balancers.values()):
            if balancer.dns_name.lower() == name.lower():
                return len(balancer.subnets) or 1
    return 0


def _forwards(action: Mapping[str, Any]) -> list[str]:
    """ARNs of target groups of an action, in either of its two forms."""
    listed = [each["TargetGroupArn"] for each in action.get("ForwardConfig", {}).get("TargetGroups", ())]
    return [action["TargetGroupArn"]] if "TargetGroupArn" in action else listed
