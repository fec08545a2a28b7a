"""Worker fleets: instances outside the cluster, and how many of them run in a tier. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from dr.topology.tiers import Floor, Tier

SIZE, DISK_GIB, ROOT_DEVICE = 3, 50, "/dev/xvda"


class Sizes(NamedTuple):
    """Sizes of a fleet's Auto Scaling group.

    Args:
        least: Minimum size, which always runs.
        most: Maximum size.
    """

    least: int
    most: int


NONE = Sizes(0, 0)


@dataclass(frozen=True)
class Fleet:
    """A worker fleet, the same in both regions.

    Args:
        name: Part of the names of its resources: "batch".
        image: ID of its machine image in the primary region. The recovery region has a copy of it.
        instance_types: Instance types in order of preference.
        size: Instances that run at the peak.
        max_size: Most instances that scaling by CPU may start.
        on_demand: Instances that are On-Demand; those beyond are Spot. None: the floor of tier `warm`.
        disk_gib: Size of the root volume in GiB.
        root_device: Device name of the root volume in the image.
    """

    name: str
    image: str
    instance_types: tuple[str, ...]
    size: int = SIZE
    max_size: int | None = None
    on_demand: int | None = None
    disk_gib: int = DISK_GIB
    root_device: str = ROOT_DEVICE

    def sizes(self, tier: Tier, warm_fraction: float) -> Sizes:
        """Return the sizes in a tier. A tier without inference runs no workers, and cannot start one by itself.

        Args:
            tier: Tier of the region; the primary region's is `active`.
            warm_fraction: Fraction of the peak that tier `warm` runs: `dr:warmFraction`.
        """
        most = self.max_size or 2 * self.size
        match tier.spec.floor:
            case Floor.NONE:
                return NONE
            case Floor.FRACTION:
                return Sizes(ceil(warm_fraction * self.size), most)
            case Floor.PEAK:
                return Sizes(self.size, most)

    def on_demand_base(self, warm_fraction: float) -> int:
        """Return how many instances are On-Demand before the first Spot instance.

        Auto Scaling does not start On-Demand instances where Spot capacity lacks (Auto Scaling user guide, "Auto
        Scaling groups with multiple instance types and purchase options"), so the floor does not depend on Spot.
        """
        return self.sizes(Tier.WARM, warm_fraction).least if self.on_demand is None else self.on_demand


def group_name(prefix: str, fleet: str) -> str:
    """Return the name of a fleet's Auto Scaling group, the same in both regions."""
    return f"{prefix}-workers-{fleet}"
