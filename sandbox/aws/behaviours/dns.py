"""Route 53's name servers: which record of a name is answered, by weight, failover and health; and resolution.

Sources: Route 53 developer guide, "How Route 53 chooses records when health checking is configured", "Values specific
for weighted records" and "Choosing between alias and non-alias records".
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from moto.route53.models import FakeZone, RecordSet, route53_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.behaviours import balancers, health_checks
from sandbox.aws.behaviours.addresses import is_address
from sandbox.aws.behaviours.health_checks import LIVE_PATH
from sandbox.aws.behaviours.names import plain, region_of
from sandbox.aws.world import World

LONGEST_CHAIN = 8
"""Aliases and CNAMEs followed from one name."""
BALANCER_TTL_SECONDS = 60
"""Time to live of a load balancer's addresses, and of an alias for them (developer guide, "Values specific for weighted
records")."""

DATABASE_TTL_SECONDS = 5
"""Time to live of the name of a cluster's endpoint, which is not documented; clients are advised to keep an answer for
less than 30 seconds (Aurora user guide, "Fast failover with Amazon Aurora PostgreSQL")."""


@dataclass(frozen=True)
class RecordSetAnswer:
    """The records of one name and type in an answer.

    Args:
        name: The name, without a final dot.
        kind: Record type: "A", "CNAME", ...
        ttl: Time to live in seconds.
        data: Values of the records.
    """

    name: str
    kind: str
    ttl: int
    data: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """Answer to a query.

    Args:
        code: Response code: "NOERROR" or "NXDOMAIN".
        records: Records of each name of the chain.
        chain: The queried name, and the targets of CNAMEs that were followed.
        zone: Hosted zone of the last name; None for a name outside all hosted zones.
    """

    code: str
    records: tuple[RecordSetAnswer, ...] = ()
    chain: tuple[str, ...] = ()
    zone: FakeZone | None = None

    @property
    def data(self) -> list[str]:
        """Values of the last records."""
        return list(self.records[-1].data) if self.records else []


def answer_for(world: World, zone: FakeZone, name: str, kind: str, depth: int = LONGEST_CHAIN) -> Reply:
    """Answer a query from one zone, as its name servers do. CNAMEs are not followed."""
    name = plain(name)
    named = [record for record in zone.rrsets if plain(record.name) == name]
    candidates = [record for record in named if record.type == kind] or [
        record for record in named if record.type == "CNAME"
    ]
    if not candidates:
        exists = named or any(plain(record.name).endswith(f".{name}") for record in zone.rrsets)
        return Reply("NOERROR" if exists else "NXDOMAIN", (), (name,), zone)
    chosen = _choose(world, zone, candidates, depth)
    if not chosen.alias_target:
        found = RecordSetAnswer(name, str(chosen.type), int(chosen.ttl or 0), tuple(chosen.records))
        return Reply("NOERROR", (found,), (name,), zone)
    target = plain(chosen.alias_target["DNSName"])
    if depth and any(plain(record.name) == target for record in zone.rrsets):
        inside = answer_for(world, zone, target, kind, depth - 1)
        return replace(inside, records=tuple(replace(each, name=name) for each in inside.records), chain=(name,))
    addresses = tuple(_balancer(world, name, target)) if kind == "A" else ()
    return Reply("NOERROR", addresses, (name,), zone)


def resolve(world: World, name: str, kind: str) -> Reply:
    """Resolve a name, by the most specific public zone; CNAMEs are followed within the sandbox."""
    chain, records = [plain(name)], list[RecordSetAnswer]()
    while zone := public_zone(chain[-1]):
        reply = answer_for(world, zone, chain[-1], kind)
        records += reply.records
        followed = kind != "CNAME" and reply.records and reply.records[-1].kind == "CNAME"
        if not followed or len(chain) > LONGEST_CHAIN:
            return replace(reply, records=tuple(records), chain=tuple(chain))
        chain.append(plain(reply.records[-1].data[0]))
    addresses = tuple(_database(world, chain[-1])) or tuple(_balancer(world, chain[-1], chain[-1]))
    found = addresses if kind == "A" else ()
    return Reply("NOERROR" if addresses else "NXDOMAIN", (*records, *found), tuple(chain))


def served_as(world: World, name: str) -> str:
    """The name of the load balancer that a name or an address leads to; the last name if there is none."""
    if is_address(name):
        return world.addresses.name_of(name) or name
    found = resolve(world, name, "A")
    behind = world.addresses.name_of(found.data[0]) if found.data else None
    return behind or found.chain[-1]


def public_zone(name: str) -> FakeZone | None:
    """The most specific public hosted zone that contains a name; None without one."""
    zones = list(route53_backends[ACCOUNT][PARTITION].zones.values())
    above = [zone for zone in zones if not zone.private_zone and f".{plain(name)}".endswith(f".{plain(zone.name)}")]
    return max(above, key=lambda zone: len(zone.name), default=None)


def _database(world: World, name: str) -> Iterator[RecordSetAnswer]:
    """The address of a database's endpoint."""
    if address := world.databases.address_of(name):
        yield RecordSetAnswer(name, "A", DATABASE_TTL_SECONDS, (address,))


def _balancer(world: World, name: str, target: str) -> Iterator[RecordSetAnswer]:
    """The addresses of a load balancer under a name, one for each zone, in random order.

    Without Kubernetes, a name that contains a region's name stands for an endpoint in that region.
    """
    count = balancers.zones_of(target) or int(not world.kubernetes.on and region_of(target) is not None)
    if count:
        addresses = world.addresses.of(target, count)
        yield RecordSetAnswer(name, "A", BALANCER_TTL_SECONDS, tuple(random.sample(addresses, count)))


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
            return random.choice(group)  # noqa: S311 - not a secret
    raise AssertionError("records is never empty")


def _record_healthy(world: World, zone: FakeZone, record: RecordSet, depth: int) -> bool:
    """Whether a record's check is healthy and, for an alias that evaluates it, the target too."""
    known = route53_backends[ACCOUNT][PARTITION].health_checks
    if record.health_check_id:
        check = known.get(record.health_check_id)
        if check is None or not health_checks.status(world, check)[0]:
            return False
    alias = record.alias_target
    if not alias or str(alias.get("EvaluateTargetHealth")).lower() != "true":
        return True
    target = plain(alias["DNSName"])
    inside = [held for held in zone.rrsets if plain(held.name) == target and held.type == record.type]
    if inside:
        return depth > 0 and any(_record_healthy(world, zone, held, depth - 1) for held in inside)
    balancer = balancers.behind(world, target)
    return balancer.has_healthy_target() if balancer else health_checks.endpoint(world, target, LIVE_PATH).healthy
