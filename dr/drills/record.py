"""What a drill has seen, from which its result is calculated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dr.drills.catalog import Drill
from dr.drills.rows import Rows
from dr.drills.timeline import Pace
from dr.drills.writes import Write
from dr.drills.zones import Zones
from dr.operations.measurements import Alarm
from dr.operations.operation import Plan
from dr.operations.quorum import Signal
from dr.operations.step_runner import Outcome
from dr.topology.tiers import Tier


@dataclass
class Record:
    """What a drill has seen so far. Times are those of the machine unless they say otherwise.

    Args:
        drill: The drill.
        run: ID of the run.
        tier: Deployed tier of the recovery region.
        home: The primary region.
        recovery: The recovery region.
        bucket: Bucket of the primary region that the drill writes to.
        short: The instance type without capacity, in a drill of a shortage.
        started: Start of the drill.
        paces: How the environment's clock ran.
    """

    drill: Drill
    run: str
    tier: Tier
    home: str
    recovery: str
    bucket: str
    short: str
    started: datetime
    paces: list[Pace]
    fault_at: datetime | None = None
    detected: datetime | None = None
    """When an alarm detected the loss, by the environment's clock; None if none did."""
    stopped_at: datetime | None = None
    """When writes stopped, if that was not by the fault: in a grey failure the region goes on to accept them."""
    shown: Sequence[Signal] = ()
    """Signals by which the product showed a grey failure."""
    witnesses: Mapping[str, Alarm | None] | None = None
    """Alarms of health checks during the whole fault, by name; None if they were not read."""
    zones: Zones | None = None
    """What a drill of a zone has seen."""
    rows: Rows | None = None
    """What a drill of a lost database has seen."""
    deployed: tuple[datetime, datetime] | None = None
    """When the drill deployed a higher tier, by the environment's clock; None if it did not."""
    failback_at: datetime | None = None
    failed_back: bool = False
    made: Plan | None = None
    """The failover's plan."""
    resumed_seconds: float | None = None
    """Time from the start of the failover to its first step, in seconds; None if no step started."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Steps of the failover that have ended."""
    nodes: Mapping[str, int] | None = None
    """Number of GPU nodes in the recovery region after the failover, by instance type; None if they were not read."""
    writes: list[Write] = field(default_factory=list)
    before: Sequence[Alarm] | None = None
    after: Sequence[Alarm] | None = None
    """Alarms of the recovery region before and after the drill; None if they were not read."""
    firing: Sequence[str] | None = None
    """Alarms that fire at the end and did not before; None if they were not read."""
    problems: list[str] = field(default_factory=list)
    """Errors, as text."""

    def clock(self, machine: datetime) -> datetime:
        """Return the environment's time at a time of the machine."""
        return Pace.of(self.paces, machine).at(machine)
