"""Route 53's data plane: what its health checks see and what its name servers answer, worked out when asked.

A simplification: a check's status is that of this very moment, with no intervals or streaks of failures. An endpoint is
a load balancer, judged by its targets, where Kubernetes runs here. Where it does not, a name that contains a region's
name stands for an inference endpoint in that region, healthy while the region can be reached and nobody said otherwise.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from moto.route53.models import FakeZone, HealthCheck, RecordSet, route53_backends

from sandbox.aws import clock
from sandbox.aws.call import ACCOUNT, PARTITION, Answer
from sandbox.aws.extensions import cloudwatch
from sandbox.aws.faults import REGION, ConnectionCutError

if TYPE_CHECKING:
    from sandbox.aws.behaviours.balancers import Balancer
    from sandbox.aws.emulator import Emulator

#: What an endpoint answers, by path: the health paths of Open Inference Protocol V2.
PATHS = {"/v2/health/ready": "ready", "/v2/health/live": "live"}
#: Where Route 53's health checkers stand.
CHECKER_REGIONS = (
    *("us-east-1", "us-west-1", "us-west-2", "eu-west-1"),
    *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"),
)
#: Aliases and CNAMEs followed from one name.
LONGEST_CHAIN = 8

Verdict = tuple[bool, str]


def plain(name: str) -> str:
    """A DNS name in lower case, without its last dot."""
    return name.rstrip(".").lower()


def region_of(name: str) -> str | None:
    """The region whose name is part of a DNS name."""
    match = REGION.search(plain(name))
    return match.group() if match else None


def answer(emulator: Emulator, host: str, path: str) -> Answer:
    """Answer a health request for the endpoint that the Host header names."""
    name = served_as(emulator, host.partition(":")[0])
    region = region_of(name)
    if region and emulator.faults.unreachable(region):
        raise ConnectionCutError(f"{name}: {region} cannot be reached")
    healthy, reason = _endpoint(emulator, name)
    status = 200 if healthy else 503 if region else 404
    return Answer.of_text(f"{PATHS[path] if healthy else reason}\n", status)


def served_as(emulator: Emulator, name: str) -> str:
    """What a name leads to by the zones of the sandbox: a load balancer's name, or itself."""
    answer = resolve(emulator, name, "A")
    last: str = answer["data"][0] if answer["data"] else answer["chain"][-1]
    return last


def region_serving(emulator: Emulator, name: str) -> str | None:
    """The region that a name leads to; None if it leads nowhere."""
    return region_of(served_as(emulator, name))


def config_of(check: HealthCheck) -> dict[str, Any]:
    """A check's configuration, under the API's names."""
    config: dict[str, Any] = vars(check)["config"]
    return config


def evaluate(emulator: Emulator, check: HealthCheck, depth: int = LONGEST_CHAIN) -> Verdict:
    """Whether a check is healthy, and why."""
    config = config_of(check)
    if config.get("Disabled"):
        # As AWS: a disabled check counts as healthy, an inverted one as unhealthy.
        return not config.get("Inverted"), "the check is disabled"
    if config["Type"] == "CALCULATED":
        healthy, reason = _calculated(emulator, config, depth)
    elif config["Type"] == "CLOUDWATCH_METRIC":
        healthy, reason = _alarm(emulator, check, config)
    else:
        healthy, reason = _probe(emulator, config)
    if config.get("Inverted"):
        return not healthy, f"inverted: {reason}"
    return healthy, reason


def _probe(emulator: Emulator, config: dict[str, Any]) -> Verdict:
    name = config.get("FullyQualifiedDomainName") or config.get("IPAddress", "")
    healthy, reason = _endpoint(emulator, name)
    if not healthy or config["Type"] == "TCP":
        return healthy, reason
    path = config.get("ResourcePath", "/")
    if path not in PATHS:
        return False, f"HTTP Status Code: 404. {name} answers {' and '.join(PATHS)} only, not {path}"
    if config.get("SearchString", "") not in PATHS[path]:
        return False, f"{config['SearchString']!r} is not in the answer of {name}, {PATHS[path]!r}"
    return True, f"HTTP Status Code: 200. {reason}"


def _endpoint(emulator: Emulator, name: str) -> Verdict:
    balancer = _balancer(emulator, name)
    if balancer and emulator.endpoints.get(plain(name), True):
        return balancer.verdict()
    region = region_of(name)
    if region is None:
        return False, f"no endpoint of that name in the sandbox: {name} contains no region's name"
    if emulator.faults.unreachable(region):
        return False, f"{name} cannot be reached, as all of {region}"
    if not emulator.endpoints.get(plain(name), True):
        return False, f"HTTP Status Code: 503. {name} was made unhealthy"
    return True, f"{name} is served from {region}. OK"


def _balancer(emulator: Emulator, name: str) -> Balancer | None:
    """The load balancer of a name, where Kubernetes runs behind it."""
    from sandbox.aws.behaviours import balancers  # which resolves names by this module

    return balancers.find(emulator, plain(name)) if emulator.traffic.on else None


def _calculated(emulator: Emulator, config: dict[str, Any], depth: int) -> Verdict:
    known = route53_backends[ACCOUNT][PARTITION].health_checks
    children = config.get("ChildHealthChecks", [])
    # A child that was deleted counts as unhealthy; depth ends a ring of checks.
    present = [known[child] for child in children if child in known and depth]
    healthy = sum(evaluate(emulator, child, depth - 1)[0] for child in present)
    needed = int(config.get("HealthThreshold", len(children)))
    return healthy >= needed, f"{healthy} of {len(children)} children healthy, {needed} needed"


def _alarm(emulator: Emulator, check: HealthCheck, config: dict[str, Any]) -> Verdict:
    """From the metric itself, never from the alarm's state."""
    alarm, region = vars(check)["alarm"], config["AlarmIdentifier"]["Region"]
    values = [] if emulator.faults.unreachable(region) else cloudwatch.datapoints(alarm, region, clock.utcnow())
    if not values:
        status = config.get("InsufficientDataHealthStatus", "LastKnownStatus")
        # A check that never had data is healthy, as every new one.
        last = vars(check).get("last_known", True)
        return {"Healthy": True, "Unhealthy": False}.get(status, last), f"no data of {alarm.name} in {region}: {status}"
    healthy = cloudwatch.evaluate(values, alarm, "missing") == "OK"
    vars(check)["last_known"] = healthy
    return healthy, f"{alarm.metric_name} {values} against the threshold {alarm.threshold} of {alarm.name}"


def answer_for(
    emulator: Emulator, zone: FakeZone, name: str, kind: str, depth: int = LONGEST_CHAIN
) -> tuple[str, list[str]]:
    """The response code and the data that a name server of the zone answers with."""
    named = [record for record in zone.rrsets if plain(record.name) == plain(name)]
    candidates = [record for record in named if record.type == kind] or [
        record for record in named if record.type == "CNAME"
    ]
    if not candidates:
        return ("NOERROR" if named else "NXDOMAIN"), []
    chosen = _choose(emulator, zone, candidates, depth)
    if not chosen.alias_target:
        return "NOERROR", list(chosen.records)
    target = plain(chosen.alias_target["DNSName"])
    if depth and any(plain(record.name) == target for record in zone.rrsets):
        return answer_for(emulator, zone, target, kind, depth - 1)
    # A load balancer's addresses are not emulated: its name stands for them.
    return "NOERROR", [target]


def resolve(emulator: Emulator, name: str, kind: str) -> dict[str, Any]:
    """What a resolver gets for a name, from the public zone nearest to it; CNAMEs are followed within the sandbox."""
    chain, code, data = [plain(name)], "NXDOMAIN", list[str]()
    while len(chain) <= LONGEST_CHAIN and (zone := _public_zone(chain[-1])):
        code, data = answer_for(emulator, zone, chain[-1], kind)
        if kind == "CNAME" or len(data) != 1 or _public_zone(data[0]) is None:
            break
        chain.append(plain(data[0]))
    return {"name": chain[0], "type": kind, "code": code, "data": data, "chain": chain}


def _public_zone(name: str) -> FakeZone | None:
    zones = route53_backends[ACCOUNT][PARTITION].zones.values()
    above = [zone for zone in zones if not zone.private_zone and f".{plain(name)}".endswith(f".{plain(zone.name)}")]
    return max(above, key=lambda zone: len(zone.name), default=None)


def _choose(emulator: Emulator, zone: FakeZone, records: list[RecordSet], depth: int) -> RecordSet:
    """One record of a name, by weight or failover; where none is healthy, all count as healthy."""
    healthy = [record for record in records if _record_healthy(emulator, zone, record, depth)]
    if records[0].failover:
        primary = next((record for record in records if record.failover == "PRIMARY"), records[0])
        return primary if primary in healthy or not healthy else healthy[0]
    if records[0].weight is None:
        return (healthy or records)[0]
    # Weight 0 is considered only when every other record is unhealthy.
    for group in (healthy, records):
        weighted = [record for record in group if int(record.weight or 0)]
        if weighted:
            return random.choices(weighted, [int(record.weight or 0) for record in weighted])[0]  # noqa: S311  not a secret
        if group:
            return group[0]
    raise AssertionError("records is never empty")


def _record_healthy(emulator: Emulator, zone: FakeZone, record: RecordSet, depth: int) -> bool:
    """A record is healthy with its check, and an alias that evaluates its target with that too."""
    known = route53_backends[ACCOUNT][PARTITION].health_checks
    if record.health_check_id:
        check = known.get(record.health_check_id)
        if check is None or not evaluate(emulator, check)[0]:
            return False
    alias = record.alias_target
    if not alias or str(alias.get("EvaluateTargetHealth")).lower() != "true":
        return True
    target = plain(alias["DNSName"])
    inside = [held for held in zone.rrsets if plain(held.name) == target and held.type == record.type]
    if inside:
        return depth > 0 and any(_record_healthy(emulator, zone, held, depth - 1) for held in inside)
    balancer = _balancer(emulator, target)
    return balancer.has_healthy_target() if balancer else _endpoint(emulator, target)[0]
