"""The logically air-gapped vault, from its settings, and the problems of settings that are valid separately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dr.errors import Problem
from dr.topology.air_gap import HELD, LEAST_DAYS, REGIONS_WITHOUT, AirGap, AirGapMode
from dr.topology.backups import Backups, DataClass


def air_gap_of(mode: AirGapMode, classes: Sequence[DataClass], min_days: int, max_days: int) -> AirGap | None:
    """Return the vault; None without one.

    Args:
        mode: `dr:airGappedVault`.
        classes: `dr:airGappedClasses`; empty: all that such a vault can hold.
        min_days: `dr:airGappedMinDays`.
        max_days: `dr:airGappedMaxDays`.
    """
    return None if mode is AirGapMode.NONE else AirGap(tuple(classes) or tuple(HELD), min_days, max_days)


def air_gap_problems(vault: AirGap | None, backups: Iterable[Backups], region: str) -> Iterator[Problem]:
    """Yield what AWS would refuse, hours after the deployment or with its first call.

    Args:
        vault: The vault; None without one.
        backups: How each class is backed up.
        region: The vault's region.
    """
    if vault is None:
        return
    if region in REGIONS_WITHOUT:
        yield Problem(
            "dr:airGappedVault",
            f"is recovery, and {region} has no logically air-gapped vaults",
            "`pulumi config set dr:airGappedVault none`, or choose another recovery region",
        )
    for data in vault.classes:
        if data not in HELD:
            kinds = ", ".join(f"{each} ({kind})" for each, kind in HELD.items())
            yield Problem(
                "dr:airGappedClasses",
                f"names {data}: AWS Backup does not copy each of its types to a logically air-gapped vault in "
                "another region, and such a copy would fail",
                f"remove it; such a vault holds {kinds}",
            )
    if vault.min_days < LEAST_DAYS:
        yield Problem(
            "dr:airGappedMinDays",
            f"is {vault.min_days}: AWS Backup accepts {LEAST_DAYS} days or more",
            f"`pulumi config set dr:airGappedMinDays {LEAST_DAYS}`",
        )
    if vault.max_days < vault.min_days:
        yield Problem(
            "dr:airGappedMaxDays",
            f"is {vault.max_days}, below dr:airGappedMinDays {vault.min_days}: every copy would fail",
            f"set {vault.min_days} or more",
        )
        return
    for each in backups:
        if each.data in vault.classes and not vault.allows(each.retention_days):
            yield Problem(
                f"dr:backups.{each.data}.retentionDays",
                f"is {each.retention_days}, and the logically air-gapped vault accepts {vault.min_days} to "
                f"{vault.max_days} days: AWS Backup would fail each copy to it",
                f"keep {each.data} for a time in that range, or change dr:airGappedMinDays or dr:airGappedMaxDays "
                "before the vault is created: it cannot be changed",
            )
