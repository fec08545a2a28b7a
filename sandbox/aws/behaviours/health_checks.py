"""Route 53 health checks, evaluated when they are read.

Simplified: a check has the status of the moment, without intervals and without consecutive failures. An endpoint is a
load balancer, judged by its targets, where Kubernetes runs. Elsewhere a name that contains the name of a region stands
for an inference endpoint in that region, healthy while the region is reachable and it was not made unhealthy.
"""

from __future__ import annotations

import re
from typing import Any

from moto.route53.models import HealthCheck, route53_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import alarm_states, balancers
from sandbox.aws.behaviours.names import plain, region_of
from sandbox.aws.world import World

PATH = re.compile(r"/v2/health/(live|ready)|/v2/models/[\w.-]+/(ready)")
"""Health paths of the V2 inference protocol. Without Kubernetes, an endpoint answers these only, with the last word."""
LIVE_PATH = "/v2/health/live"
DEEPEST = 8
"""Calculated checks followed from one check."""
Verdict = tuple[bool, str]


def config_of(check: HealthCheck) -> dict[str, Any]:
    """A check's configuration, under the API's names."""
    config: dict[str, Any] = vars(check)["config"]
    return config


def evaluate(world: World, check: HealthCheck, depth: int = DEEPEST) -> Verdict:
    """Whether a check is healthy, and why."""
    config = config_of(check)
    if config.get("Disabled"):
        # As AWS: a disabled check counts as healthy, an inverted one as unhealthy.
        return not config.get("Inverted"), "the check is disabled"
    if config["Type"] == "CALCULATED":
        healthy, reason = _calculated(world, config, depth)
    elif config["Type"] == "CLOUDWATCH_METRIC":
        healthy, reason = _alarm(world, check, config)
    else:
        healthy, reason = _probe(world, config)
    if config.get("Inverted"):
        return not healthy, f"inverted: {reason}"
    return healthy, reason


def _probe(world: World, config: dict[str, Any]) -> Verdict:
    name = config.get("FullyQualifiedDomainName") or config.get("IPAddress", "")
    path = config.get("ResourcePath", "/")
    healthy, reason = endpoint(world, name, path)
    if not healthy or config["Type"] == "TCP":
        return healthy, reason
    body = body_of(path)
    if body is None:
        return False, f"HTTP Status Code: 404. {name} answers health paths only, not {path}"
    if config.get("SearchString", "") not in body:
        return False, f"{config['SearchString']!r} is not in the answer of {name}, {body!r}"
    return True, f"HTTP Status Code: 200. {reason}"


def body_of(path: str) -> str | None:
    """What an endpoint answers at a health path; None for another path."""
    found = PATH.fullmatch(path)
    return found[1] or found[2] if found else None


def endpoint(world: World, name: str, path: str) -> Verdict:
    """Whether an endpoint answers a path, and why."""
    balancer = balancers.behind(world, plain(name))
    if balancer and world.endpoints.get(plain(name), True):
        return balancer.verdict(path)
    region = region_of(name)
    if region is None:
        return False, f"no endpoint of that name in the sandbox: {name} contains no region's name"
    if world.faults.unreachable(region):
        return False, f"{name} cannot be reached, as all of {region}"
    if not world.endpoints.get(plain(name), True):
        return False, f"HTTP Status Code: 503. {name} was made unhealthy"
    return True, f"{name} is served from {region}. OK"


def _calculated(world: World, config: dict[str, Any], depth: int) -> Verdict:
    known = route53_backends[ACCOUNT][PARTITION].health_checks
    children = config.get("ChildHealthChecks", [])
    # A deleted child counts as unhealthy; depth ends a ring of checks.
    present = [known[child] for child in children if child in known and depth]
    healthy = sum(evaluate(world, child, depth - 1)[0] for child in present)
    needed = int(config.get("HealthThreshold", len(children)))
    return healthy >= needed, f"{healthy} of {len(children)} children healthy, {needed} needed"


def _alarm(world: World, check: HealthCheck, config: dict[str, Any]) -> Verdict:
    """Evaluate the metric itself, as Route 53 does, not the alarm's state."""
    alarm, region = vars(check)["alarm"], config["AlarmIdentifier"]["Region"]
    values = [] if world.faults.unreachable(region) else alarm_states.datapoints(alarm, region, clock.utcnow())
    if not values:
        status = config.get("InsufficientDataHealthStatus", "LastKnownStatus")
        # A check that never had data is healthy, like a new one.
        last = vars(check).get("last_known", True)
        return {"Healthy": True, "Unhealthy": False}.get(status, last), f"no data of {alarm.name} in {region}: {status}"
    healthy = alarm_states.evaluate(values, alarm, "missing") == "OK"
    vars(check)["last_known"] = healthy
    return healthy, f"{alarm.metric_name} {values} against the threshold {alarm.threshold} of {alarm.name}"
