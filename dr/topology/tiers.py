"""Tiers and their objectives: how much of the recovery region runs, and what that promises."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from functools import total_ordering

from dr.errors import Invalid, Problem


@total_ordering
class Tier(Enum):
    """How much of the recovery region runs while all is well, from least to most.

    The four strategies of the AWS Well-Architected Framework, REL13-BP02.
    """

    BACKUP = "backup"
    """Data and what is slow or scarce to make; no cluster."""
    PILOT = "pilot"
    """The cluster's control plane runs, no GPU does."""
    WARM = "warm"
    """Serves at a floor, smaller than the primary."""
    ACTIVE = "active"
    """The same as the primary, and takes traffic."""

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Tier):
            return NotImplemented
        order = list(Tier)
        return order.index(self) < order.index(other)

    def __str__(self) -> str:
        return self.value


SPELLINGS = {
    Tier.BACKUP: ("backup", "backup-restore", "backup-and-restore"),
    Tier.PILOT: ("pilot", "pilot-light"),
    Tier.WARM: ("warm", "warm-standby"),
    Tier.ACTIVE: ("active", "active-active", "multi-site"),
}
"""Every spelling `parse_tier` understands; case, spaces and underscores do not matter."""


class Nat(StrEnum):
    """How private subnets reach the internet."""

    NONE = "none"
    """Not at all."""
    ONE = "one"
    """By one NAT gateway: the loss of its zone cuts off the others."""
    ZONE = "zone"
    """By one in each zone."""


@dataclass(frozen=True)
class TierSpec:
    """What a tier promises and what it runs in the recovery region.

    Args:
        rto: Recovery time objective: from the loss of the region to correct answers.
        rpo: Recovery point objective for replicated objects: the longest stretch of writes that may be lost.
        runs: What runs in the recovery region, for a person.
        dns_weight: Weight of the recovery record. Route 53 answers with a record of weight 0 only when every record
            of a higher weight is unhealthy (Route 53 developer guide, "How Route 53 chooses records when health
            checking is configured"), so 0 means standby.
        nat: NAT gateways of the recovery region: what costs most there without serving anybody.
    """

    rto: timedelta
    rpo: timedelta
    runs: str
    dns_weight: int
    nat: Nat


PRIMARY_DNS_WEIGHT = 100
"""Weight of the primary record, in every tier."""

TIERS = {
    Tier.BACKUP: TierSpec(timedelta(hours=8), timedelta(hours=24), "data, keys and the DNS record", 0, Nat.NONE),
    Tier.PILOT: TierSpec(
        timedelta(minutes=30), timedelta(hours=1), "data, and a cluster without GPU nodes", 0, Nat.ONE
    ),
    Tier.WARM: TierSpec(timedelta(minutes=5), timedelta(minutes=15), "data, and inference at its floor", 0, Nat.ZONE),
    Tier.ACTIVE: TierSpec(timedelta(seconds=150), timedelta(minutes=15), "the same as the primary", 100, Nat.ZONE),
}
"""The tier table: objectives to be met, not measurements."""


def parse_tier(text: str, subject: str = "dr:tier") -> Tier:
    """The tier a person meant.

    Raises:
        Invalid: no spelling matches; the message names the nearest one.
    """
    wanted = text.strip().lower().replace("_", "-").replace(" ", "-")
    names = {name: tier for tier, spelled in SPELLINGS.items() for name in spelled}
    if wanted in names:
        return names[wanted]
    near = difflib.get_close_matches(wanted, names, n=1)
    tier = names[near[0]] if near else Tier.PILOT
    hint = f'did you mean "{tier}"? ' if near else ""
    raise Invalid(
        Problem(
            subject,
            f'"{text}" is no tier',
            f"{hint}Use one of {', '.join(map(str, Tier))}: `pulumi config set dr:tier {tier} -s dr`",
        )
    )


def describe_duration(duration: timedelta) -> str:
    """A duration as a person writes it: "8 h", "30 min", "150 s", "1 h 20 min"."""
    seconds = round(duration.total_seconds())
    if seconds < 60 or (seconds < 600 and seconds % 60):
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)
