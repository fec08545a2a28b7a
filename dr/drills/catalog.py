"""The drills: what each one breaks, and what must be seen besides the tier's objectives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drill:
    """A drill of the loss of the primary region.

    Args:
        name: Its name, the argument of `dr drill`.
        title: What is rehearsed, as text.
        shortage: Whether the recovery region has no capacity of the first GPU type.
        killed: Whether the operator's process is killed during the failover.
        returns: Whether the primary region returns during the failover.
    """

    name: str
    title: str
    shortage: bool = False
    killed: bool = False
    returns: bool = False


DRILLS = {
    each.name: each
    for each in (
        Drill("region-loss", "the primary region and the global control planes are lost"),
        Drill("capacity-shortage", "as region-loss, and the first GPU type has no capacity", shortage=True),
        Drill("operator-killed", "as region-loss, and the operator's process is killed", killed=True),
        Drill("split-brain", "the primary region returns while the failover runs", returns=True),
    )
}
