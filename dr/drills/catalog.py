"""The drills: what each one breaks, and what must be seen besides the tier's objectives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ISOLATION, CORRUPTION, BACKUPS = "region-isolation", "data-corruption", "backup-restore"
"""The drills that also run on AWS."""


class Fault(StrEnum):
    """What a drill breaks."""

    REGION = "region"
    """The primary region and the global control planes."""
    ZONE = "zone"
    """A zone of the primary region. Clients stay there."""
    INFERENCE = "inference"
    """Inference in the primary region, while its health checks pass: a grey failure."""
    DATABASE = "database"
    """The primary region, with the writer of the database: the time until another one writes counts."""
    CONNECTIONS = "connections"
    """What one pod without clients may call, in the recovery region."""
    DATA = "data"
    """Objects of the drill's own, by valid credentials."""
    BACKUPS = "backups"
    """Nothing: copies are restored beside what runs."""


@dataclass(frozen=True)
class Drill:
    """A drill.

    Args:
        name: Its name, the argument of `dr drill`.
        title: What is rehearsed, as text.
        shortage: Whether the recovery region has no capacity of the first GPU type.
        killed: Whether the operator's process is killed during the failover.
        returns: Whether the primary region returns during the failover.
        fault: What it breaks.
        accepts: Guards of the failover; the operator accepts their findings.
        deploys: Whether it runs in a tier without a cluster, too: it then deploys one that serves.
    """

    name: str
    title: str
    shortage: bool = False
    killed: bool = False
    returns: bool = False
    fault: Fault = Fault.REGION
    accepts: tuple[str, ...] = ()
    deploys: bool = False


DRILLS = {
    each.name: each
    for each in (
        Drill("region-loss", "the primary region and the global control planes are lost", deploys=True),
        Drill("capacity-shortage", "as region-loss, and the first GPU type has no capacity", shortage=True),
        Drill("operator-killed", "as region-loss, and the operator's process is killed", killed=True),
        Drill("split-brain", "the primary region returns while the failover runs", returns=True),
        Drill("zone-loss", "a zone of the primary region is lost; clients stay there", fault=Fault.ZONE),
        Drill(
            "grey-failure",
            "half of the predictions are slow, and health checks pass",
            fault=Fault.INFERENCE,
            accepts=("primary-lost",),
        ),
        Drill("database-loss", "the primary region is lost, with the database's writer", fault=Fault.DATABASE),
        Drill(ISOLATION, "a replica starts with nothing but its own region", fault=Fault.CONNECTIONS),
        Drill(CORRUPTION, "objects are overwritten and deleted by valid credentials", fault=Fault.DATA),
        Drill(BACKUPS, "the newest copies and backups are restored and compared", fault=Fault.BACKUPS),
    )
}
