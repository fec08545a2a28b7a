"""The tier table: how much of the recovery region runs, and the objectives that this supports. Pure.

A tier is a member of `Tier` and a row of `TIERS`. The rest of the program reads the row and never compares tiers, so
a new tier needs no other code. Only `dr/preflight/guards.py` compares them, to refuse a tier lower than the deployed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from functools import total_ordering

from dr.errors import Invalid, Problem
from dr.spelling import nearest
from dr.topology import detection


@total_ordering
class Tier(Enum):
    """How much of the recovery region runs in normal operation, from least to most.

    The four strategies of the AWS Well-Architected Framework, REL13-BP02.
    """

    BACKUP = "backup"
    PILOT = "pilot"
    WARM = "warm"
    ACTIVE = "active"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Tier):
            return NotImplemented
        order = list(Tier)
        return order.index(self) < order.index(other)

    def __str__(self) -> str:
        return self.value

    @property
    def spec(self) -> TierSpec:
        """The row of the tier table."""
        return TIERS[self]

    @property
    def serving_tier(self) -> Tier:
        """This tier where it serves, else the lowest higher one that does: what a failover scales the region to."""
        return next(tier for tier in sorted(Tier) if tier >= self and tier.spec.serves)


class Nat(StrEnum):
    """NAT gateways of a VPC: how private subnets reach the internet."""

    NONE = "none"
    """No NAT gateway."""
    ONE = "one"
    """One NAT gateway; the loss of its zone cuts off the other zones."""
    ZONE = "zone"
    """One NAT gateway in each zone."""


class Decision(StrEnum):
    """What moves traffic away from a lost primary region, whatever `dr:dnsFailover` is."""

    OPERATOR = "operator"
    """An operator, on the alarm `region-impaired`."""
    HEALTH_CHECKS = "health checks"
    """Route 53: both records are open, and its health checks close the one of the lost region."""


class Floor(StrEnum):
    """Inference replicas that run at all times."""

    NONE = "none"
    """No replica."""
    FRACTION = "fraction"
    """The replicas for `dr:warmFraction` of the peak, and at least one in each zone."""
    PEAK = "peak"
    """The replicas for the peak."""


class Replica(StrEnum):
    """The secondary cluster of the global database."""

    NONE = "none"
    """None: the database is restored from a copy."""
    HEADLESS = "headless"
    """A cluster without instances, which costs its storage; a failover adds an instance first."""
    READER = "reader"
    """A cluster with one reader."""
    PEER = "peer"
    """A cluster with as many instances as the primary."""


@dataclass(frozen=True, kw_only=True)
class TierSpec:
    """A row of the tier table: all that a tier decides.

    Args:
        spellings: Long names that a user may write; case, spaces and underscores are ignored.
        runs: What runs in the recovery region, in words.
        rto: Recovery time objective: from the loss of the region to correct answers.
        rpo: Recovery point objective for replicated objects: the longest period of writes that may be lost.
        decision: What moves traffic.
        detection: Detection budget, a part of `rto`: the longest time from the loss until what decides has detected it.
        cluster: Whether an EKS cluster runs.
        floor: Inference replicas that run at all times.
        nat: NAT gateways, the largest cost of a region that does not serve.
        dns_weight: Weight of the recovery record. Route 53 answers with a record of weight 0 only when every record
            of a higher weight is unhealthy (Route 53 developer guide, "How Route 53 chooses records when health
            checking is configured"), so 0 means standby.
        backup_plan: Whether the region's own backup plan runs.
        replica: The secondary cluster of the global database.
    """

    spellings: tuple[str, ...]
    runs: str
    rto: timedelta
    rpo: timedelta
    decision: Decision
    detection: timedelta
    cluster: bool
    floor: Floor
    nat: Nat
    dns_weight: int
    backup_plan: bool
    replica: Replica

    @property
    def serves(self) -> bool:
        """Whether inference runs at all times."""
        return self.floor is not Floor.NONE


CLUSTER_CREATION = timedelta(minutes=15)
"""Time to create an EKS cluster: 13 to 16 minutes in 21 regions, 15 in us-west-2 (easontechtalk.com, "Unofficial EKS
Cluster Creation Performance"; AWS states none)."""
BY_ALARM = detection.by_dns(interval=30, failures=3)
"""Longest time until the alarm `region-impaired` fires, for the longest health check interval that is accepted."""

TIERS = {
    Tier.BACKUP: TierSpec(
        spellings=("backup-restore", "backup-and-restore"),
        runs="data, keys and the DNS record",
        rto=timedelta(hours=8),
        rpo=timedelta(hours=24),
        decision=Decision.OPERATOR,
        detection=BY_ALARM,
        cluster=False,
        floor=Floor.NONE,
        nat=Nat.NONE,
        dns_weight=0,
        backup_plan=False,
        replica=Replica.NONE,
    ),
    Tier.PILOT: TierSpec(
        spellings=("pilot-light",),
        runs="data, and a cluster without GPU nodes",
        rto=timedelta(minutes=30),
        rpo=timedelta(hours=1),
        decision=Decision.OPERATOR,
        detection=BY_ALARM,
        cluster=True,
        floor=Floor.NONE,
        nat=Nat.ONE,
        dns_weight=0,
        backup_plan=True,
        replica=Replica.HEADLESS,
    ),
    Tier.WARM: TierSpec(
        spellings=("warm-standby",),
        runs="data, and inference at its floor",
        rto=timedelta(minutes=5),
        rpo=timedelta(minutes=15),
        decision=Decision.OPERATOR,
        detection=BY_ALARM,
        cluster=True,
        floor=Floor.FRACTION,
        nat=Nat.ZONE,
        dns_weight=0,
        backup_plan=True,
        replica=Replica.READER,
    ),
    Tier.ACTIVE: TierSpec(
        spellings=("active-active", "multi-site"),
        runs="the same as the primary",
        rto=timedelta(seconds=150),
        rpo=timedelta(minutes=15),
        decision=Decision.HEALTH_CHECKS,
        detection=detection.by_health_checks(interval=30, failures=3),
        cluster=True,
        floor=Floor.PEAK,
        nat=Nat.ZONE,
        dns_weight=100,
        backup_plan=True,
        replica=Replica.PEER,
    ),
}
"""The tier table. RTO and RPO are objectives, not measurements (docs/requirements.md, "Tiers").

Detection budgets are those of the longest health check interval that the configuration accepts.
"""

DETECTION_SHARE = {Decision.OPERATOR: 0.75, Decision.HEALTH_CHECKS: 0.6}
"""Largest share of a tier's RTO that detection may use. The rest is for the decision and the levers, or for the time to
live of DNS records (60 s)."""

PRIMARY_TIER = Tier.ACTIVE
"""What the primary region runs, whatever the tier of the recovery region."""
PRIMARY_DNS_WEIGHT = 100
"""Weight of the primary record, whatever the tier of the recovery region."""
DEFAULT_TIER = Tier.PILOT
"""The tier of a recovery stack whose configuration does not set one."""


def highest(tier: Tier, other: Tier | None) -> Tier:
    """Return the higher of two tiers; the first where there is no other."""
    return max(tier, other) if other else tier


def parse_tier(text: str, subject: str = "dr:tier") -> Tier:
    """Return the tier of a name.

    Args:
        text: A tier's name or one of its long names.
        subject: What an error is about.

    Raises:
        Invalid: no tier has that name; the message suggests the nearest one.
    """
    wanted = text.strip().lower().replace("_", "-").replace(" ", "-")
    names = {name: tier for tier, spec in TIERS.items() for name in (tier.value, *spec.spellings)}
    if wanted in names:
        return names[wanted]
    near = nearest(wanted, names)
    tier = names[near] if near else DEFAULT_TIER
    hint = f'did you mean "{tier}"? ' if near else ""
    raise Invalid(
        Problem(
            subject,
            f'"{text}" is not a valid tier',
            f"{hint}Use one of {', '.join(map(str, Tier))}: `pulumi config set dr:tier {tier} -s dr`",
        )
    )


def describe_duration(duration: timedelta) -> str:
    """Return a duration for people: "8 h", "30 min", "150 s", "1 h 20 min"."""
    seconds = round(duration.total_seconds())
    if seconds < 60 or (seconds < 600 and seconds % 60):
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)
