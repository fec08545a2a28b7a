"""How findings and objectives are shown."""

from __future__ import annotations

from dr.findings import Status
from dr.topology.tiers import Tier, describe_duration

STYLES = {
    **{Status.MET: "green", Status.MISSED: "bold red", Status.UNKNOWN: "yellow"},
    **{Status.STALE: "yellow", Status.INFO: "dim"},
}

FINDINGS = ("status", "subject", "finding")
ADVISED = (Status.MISSED, Status.UNKNOWN, Status.STALE)
"""Findings with a hint that is shown; each distinct hint is shown once."""


def objective_text(tier: Tier) -> str:
    """A tier with its objectives."""
    spec = tier.spec
    return f"{tier} (objectives: RTO {describe_duration(spec.rto)}, RPO {describe_duration(spec.rpo)})"
