"""Route 53's name servers: which record of a name is answered, by weight, failover and health."""

from __future__ import annotations

import random
from typing import Any

from moto.route53.models import FakeZone, RecordSet, route53_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import balancers, health_checks
from sandbox.aws.behaviours.health_checks import LIVE_PATH
from sandbox.aws.behaviours.names import plain
from sandbox.aws.world import World

LONGEST_CHAIN = 8
"""Aliases and CNAMEs followed from one name."""


def answer_for(world: World, zone: FakeZone, name: str, kind: str, depth: int = LONGEST_CHAIN) -> tuple[str, list[str]]:
    """Response code and data of the answer of a zone's name server."""
    named = [record for record in zone.rrsets if plain(record.name) == plain(name)]
    candidates = [record for record in named if record.type == kind] or [
        record for record in named if record.type == "CNAME"
    ]
    if not candidates:
        return ("NOERROR" if named else "NXDOMAIN"), []
    chosen = _choose(world, zone, candidates, depth)
    if not chosen.alias_target:
        return "NOERROR", list(chosen.records)
    target = plain(chosen.alias_target["DNSName"])
    if depth and any(plain(record.name) == target for record in zone.rrsets):
        return answer_for(world, zone, target, kind, depth - 1)
    # A load balancer's addresses are not emulated: its name stands for them.
    return "NOERROR", [target]


def resolve(world: World, name: str, kind: str) -> dict[str, Any]:
    """Resolve a name by the most specific public zone; CNAMEs are followed within the sandbox."""
    chain, code, data = [plain(name)], "NXDOMAIN", list[str]()
    while len(chain) <= LONGEST_CHAIN and (zone := _public_zone(chain[-1])):
        code, data = answer_for(world, zone, chain[-1], kind)
        if kind == "CNAME" or len(data) != 1 or _public_zone(data[0]) is None:
            break
        chain.append(plain(data[0]))
    return {"name": chain[0], "type": kind, "code": code, "data": data, "chain": chain}


def served_as(world: World, name: str) -> str:
    """The name that a name resolves to: a load balancer's name, or itself."""
    found = resolve(world, name, "A")
    last: str = found["data"][0] if found["data"] else found["chain"][-1]
    return last


def _public_zone(name: str) -> FakeZone | None:
    zones = route53_backends[ACCOUNT][PARTITION].zones.values()
    above = [zone for zone in zones if not zone.private_zone and f".{plain(name)}".endswith(f".{plain(zone.name)}")]
    return max(above, key=lambda zone: len(zone.name), default=None)


def _choose(world: World, zone: FakeZone, records: list[RecordSet], depth: int) -> RecordSet:
    """Choose a record of a name by weight or failover; if none is healthy, all count as healthy."""
    healthy = [record for record in records if _record_healthy(world, zone, record, depth)]
    if records[0].failover:
        primary = next((record for record in records if record.failover == "PRIMARY"), records[0])
        return primary if primary in healthy or not healthy else healthy[0]
    if records[0].weight is None:
        return (healthy or records)[0]
    # Weight 0 is considered only when every other record is unhealthy.
    for group in (healthy, records):
        weighted = [record for record in group if int(record.weight or 0)]
        if weighted:
            return random.choices(weighted, [int(record.weight or 0) for record in weighted])[0]  # noqa: S311 - not a secret
        if group:
            return group[0]
    raise AssertionError("records is never empty")


def _record_healthy(world: World, zone: FakeZone, record: RecordSet, depth: int) -> bool:
    """Whether a record's check is healthy and, for an alias that evaluates it, the target too."""
    known = route53_backends[ACCOUNT][PARTITION].health_checks
    if record.health_check_id:
        check = known.get(record.health_check_id)
        if check is None or not health_checks.evaluate(world, check)[0]:
            return False
    alias = record.alias_target
    if not alias or str(alias.get("EvaluateTargetHealth")).lower() != "true":
        return True
    target = plain(alias["DNSName"])
    inside = [held for held in zone.rrsets if plain(held.name) == target and held.type == record.type]
    if inside:
        return depth > 0 and any(_record_healthy(world, zone, held, depth - 1) for held in inside)
    balancer = balancers.behind(world, target)
    return balancer.has_healthy_target() if balancer else health_checks.endpoint(world, target, LIVE_PATH)[0]
