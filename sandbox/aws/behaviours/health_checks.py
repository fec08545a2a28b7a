"""Route 53 health checks: endpoints, calculated checks and checks of an alarm's metric.

The checkers of an endpoint run on the sandbox's clock, at the interval of the check. DNS answers follow `status`.

An endpoint is a load balancer, judged by its targets, where Kubernetes runs. Elsewhere a name that contains the name of
a region stands for an inference endpoint in that region, healthy while the region is reachable and it was not made
unhealthy.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from moto.route53.models import HealthCheck, route53_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import alarm_states, balancers
from sandbox.aws.behaviours.balancers import Probed
from sandbox.aws.behaviours.checkers import Checkers, enough
from sandbox.aws.behaviours.names import plain, region_of
from sandbox.aws.world import World

PATH = re.compile(r"/v2/health/(live|ready)|/v2/models/[\w.-]+/(ready)")
"""Health paths of the V2 inference protocol. Without Kubernetes, an endpoint answers these only, with the last word."""
LIVE_PATH = "/v2/health/live"
DEEPEST = 8
"""Calculated checks followed from one check."""
CHECKER_REGIONS = (
    *("us-east-1", "us-west-1", "us-west-2", "eu-west-1"),
    *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"),
)
"""Regions of Route 53's health checkers (Route 53 API reference, HealthCheckConfig)."""
OF_OTHERS = ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")
"""Types of checks that monitor no endpoint."""
Verdict = tuple[bool, str]


def config_of(check: HealthCheck) -> dict[str, Any]:
    """A check's configuration, under the API's names."""
    config: dict[str, Any] = vars(check)["config"]
    return config


def run(world: World, time: datetime.datetime) -> None:
    """Run the checks that are due at a time of the sandbox's clock: a whole number of ten seconds."""
    seconds = int(time.timestamp())
    for check in list(route53_backends[ACCOUNT][PARTITION].health_checks.values()):
        config = config_of(check)
        if config.get("Disabled"):
            continue
        if config["Type"] == "CLOUDWATCH_METRIC" and seconds % 60 == 0:
            _alarm(world, check, config)
        if config["Type"] not in OF_OTHERS and seconds % int(config["RequestInterval"]) == 0:
            found = probe(world, config)
            _checkers(check).observe(found.passes, int(config["FailureThreshold"]), reporting(world, config))
            vars(check)["reason"] = found.reason


def status(world: World, check: HealthCheck, depth: int = DEEPEST) -> Verdict:
    """Whether a check is healthy, as DNS answers and calculated checks take it, and why."""
    config = config_of(check)
    if config.get("Disabled"):
        # As AWS: a disabled check counts as healthy, an inverted one as unhealthy.
        return not config.get("Inverted"), "the check is disabled"
    if config["Type"] == "CALCULATED":
        healthy, reason = _calculated(world, config, depth)
    elif config["Type"] == "CLOUDWATCH_METRIC":
        healthy, reason = _alarm(world, check, config)
    else:
        count, of = _checkers(check).count(reporting(world, config))
        healthy = enough(count, of)
        reason = f"{count} of {of} checkers report it healthy. {vars(check).get('reason', 'Not checked yet')}"
    return _inverted(config, healthy, reason)


def observation(world: World, check: HealthCheck) -> Verdict:
    """What a checker reports of an endpoint at this moment; for other checks their status."""
    config = config_of(check)
    if config.get("Disabled") or config["Type"] in OF_OTHERS:
        return status(world, check)
    found = probe(world, config)
    return _inverted(config, found.healthy, found.reason)


def reporting(world: World, config: dict[str, Any]) -> list[str]:
    """Regions of the checkers that report: those of the check, without unreachable regions."""
    wanted = config.get("Regions") or CHECKER_REGIONS
    return [region for region in wanted if not world.faults.unreachable(region)]


def _inverted(config: dict[str, Any], healthy: bool, reason: str) -> Verdict:
    return (not healthy, f"inverted: {reason}") if config.get("Inverted") else (healthy, reason)


def _checkers(check: HealthCheck) -> Checkers:
    """The checkers of an endpoint, kept with the check, so that a reset drops them."""
    kept: Checkers = vars(check).setdefault("sandbox_checkers", Checkers(CHECKER_REGIONS))
    return kept


def probe(world: World, config: dict[str, Any]) -> Probed:
    """Request what a check of an endpoint requests."""
    name = config.get("FullyQualifiedDomainName") or config.get("IPAddress", "")
    path = config.get("ResourcePath", "/")
    found = endpoint(world, name, path)
    if not found.healthy or config["Type"] == "TCP":
        return found
    body = body_of(path)
    if body is None:
        return Probed((), f"HTTP Status Code: 404. {name} answers health paths only, not {path}")
    if config.get("SearchString", "") not in body:
        return Probed((), f"{config['SearchString']!r} is not in the answer of {name}, {body!r}")
    return Probed(found.passes, f"HTTP Status Code: 200. {found.reason}")


def body_of(path: str) -> str | None:
    """What an endpoint answers at a health path; None for another path."""
    found = PATH.fullmatch(path)
    return found[1] or found[2] if found else None


def endpoint(world: World, name: str, path: str) -> Probed:
    """Request a path from an endpoint."""
    balancer = balancers.behind(world, plain(name))
    if balancer and world.endpoints.get(plain(name), True):
        return balancer.probe(path)
    region = region_of(name)
    if region is None:
        return Probed((), f"no endpoint of that name in the sandbox: {name} contains no region's name")
    if world.faults.unreachable(region):
        return Probed((), f"{name} cannot be reached, as all of {region}")
    if not world.endpoints.get(plain(name), True):
        return Probed((), f"HTTP Status Code: 503. {name} was made unhealthy")
    return Probed((True,), f"{name} is served from {region}. OK")


def _calculated(world: World, config: dict[str, Any], depth: int) -> Verdict:
    known = route53_backends[ACCOUNT][PARTITION].health_checks
    children = config.get("ChildHealthChecks", [])
    # A deleted child counts as unhealthy; depth ends a ring of checks.
    present = [known[child] for child in children if child in known and depth]
    healthy = sum(status(world, child, depth - 1)[0] for child in present)
    needed = int(config.get("HealthThreshold", len(children)))
    return healthy >= needed, f"{healthy} of {len(children)} children healthy, {needed} needed"


def _alarm(world: World, check: HealthCheck, config: dict[str, Any]) -> Verdict:
    """Evaluate the metric itself, as Route 53 does, not the alarm's state."""
    alarm, region = vars(check)["alarm"], config["AlarmIdentifier"]["Region"]
    values = [] if world.faults.unreachable(region) else alarm_states.datapoints(alarm, region, clock.utcnow())
    if not values:
        missing = config.get("InsufficientDataHealthStatus", "LastKnownStatus")
        # A check that never had data is healthy, like a new one.
        last = vars(check).get("last_known", True)
        healthy = {"Healthy": True, "Unhealthy": False}.get(missing, last)
        return healthy, f"no data of {alarm.name} in {region}: {missing}"
    healthy = alarm_states.evaluate(values, alarm, "missing") == "OK"
    vars(check)["last_known"] = healthy
    return healthy, f"{alarm.metric_name} {values} against the threshold {alarm.threshold} of {alarm.name}"
