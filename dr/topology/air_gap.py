"""The logically air-gapped vault: which classes of data it can hold, its limits, and regions without one. Pure.

AWS keeps its recovery points in an account of the service, under a compliance lock from the first day (AWS Backup
developer guide, "Logically air-gapped vault"). Its bounds of retention are chosen once: the vault cannot be changed,
and cannot be deleted while it holds a recovery point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dr.topology.backups import DataClass

LEAST_DAYS = 7
"""Lowest minimum retention (AWS Backup API reference, CreateLogicallyAirGappedBackupVault)."""
MAX_DAYS = 365
REGIONS_WITHOUT = frozenset(
    {"ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "mx-central-1"}
)
"""Regions that have no such vault (developer guide, "Logically air-gapped vault", row "Regions" of the comparison)."""

HELD: Mapping[DataClass, str] = {
    DataClass.OBJECTS: "S3",
    DataClass.VOLUMES: "EBS and EC2, encrypted with a customer managed key",
    DataClass.FILES: "EFS and FSx",
}
"""Classes that are copied to such a vault in another region.

S3, EBS, EC2 and EFS: AWS Config's rules `*-resources-in-logically-air-gapped-vault`; FSx: developer guide,
"Considerations for security auto-remediation". The guide's editions differ about databases: until 2025, "Cross-Region
copy to or from a logically air-gapped vault is not currently available for backups that contain Amazon Aurora, Amazon
DocumentDB, and Amazon Neptune"; later ones name unencrypted clusters only. A class is copied only if all editions allow
it. The key: "Compatible encryption" (types that AWS Backup does not fully manage).
"""


class AirGapMode(StrEnum):
    """Where a logically air-gapped vault exists."""

    NONE = "none"
    """Nowhere."""
    RECOVERY = "recovery"
    """In the recovery region, for further copies of the primary region's backups."""


@dataclass(frozen=True)
class AirGap:
    """A logically air-gapped vault.

    Args:
        classes: Classes of data that are copied to it.
        min_days: Shortest retention that it accepts.
        max_days: Longest retention that it accepts.
    """

    classes: tuple[DataClass, ...] = tuple(HELD)
    min_days: int = LEAST_DAYS
    max_days: int = MAX_DAYS

    def allows(self, days: int) -> bool:
        """Return whether the vault accepts recovery points with this retention, in days."""
        return self.min_days <= days <= self.max_days
