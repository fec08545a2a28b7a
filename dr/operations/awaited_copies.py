"""What AWS Backup is to copy of each class of data, and from when on: without a copy, a class is late by that time.

A vault cannot have received copies before it existed, so no class is late by an earlier time. The prober, and with it
`dr status` and the alarms on late copies of objects and databases, count from the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from dr.data import global_database, recovery_points
from dr.data.global_database import Cluster
from dr.data.volume_coverage import Selected, coverage
from dr.data.volumes import BACKUP_KEY, ENABLED
from dr.errors import DrError
from dr.operations.inspected import PRIMARY_BY, Inspected
from dr.operations.lookups import Pending
from dr.topology.backups import DataClass

ALWAYS = datetime.min.replace(tzinfo=UTC)
"""Creation of what is as old as the deployment."""


@dataclass(frozen=True)
class Awaited:
    """The copies of a class of data that a vault is to receive.

    Args:
        text: The oldest resource that is to be copied, as "volume vol-1 exists"; without one, the reason.
        vault: When the vault was created.
        since: When that resource was created; None without one.
        error: Why an older one may exist; None if that is known.
        resources: All that is to be copied, if the class has many resources.
    """

    text: str
    vault: datetime
    since: datetime | None = None
    error: DrError | None = None
    resources: tuple[Selected, ...] = ()

    @property
    def start(self) -> datetime:
        """The time from which on the age of a missing copy counts."""
        return max(self.since or self.vault, self.vault)


class AwaitedCopies:
    """Lookups of what a vault of the recovery region is to receive. They run together, and each is waited for on use.

    Args:
        inspected: What readiness is checked of.
        vault: Name of the vault.
    """

    def __init__(self, inspected: Inspected, vault: str) -> None:
        scene, region, start = inspected.scene, inspected.region, inspected.lookups.start
        self._home, self._record = scene.home, scene.primary.database
        self._buckets = tuple(Selected(each.primary, ALWAYS) for each in scene.primary.buckets.values())
        created = partial(recovery_points.vault_created, region, vault)
        self._vault = start(f"backup vault {vault}", region, created)
        workload = scene.topology.bucket_prefix
        self._volumes = inspected.ask_primary("EBS volumes", lambda: coverage(scene.home, workload))
        self._clusters: list[Pending[Cluster | None]] = []
        if home := scene.primary.database:
            read = partial(global_database.read_cluster, scene.home, home.cluster)
            self._clusters.append(inspected.ask_primary("the database", read))
        # A replica is younger than the database. It shows how old that is at least while the primary region is lost.
        if (away := scene.recovery.database) and away.cluster:
            read = partial(global_database.read_cluster, region, away.cluster)
            self._clusters.append(start("the replica of the database", region, read))

    def of(self, data: DataClass) -> Awaited:
        """Return what is awaited of a class.

        Raises:
            Missing: The vault does not exist.
            Unreachable: The recovery region does not answer.
        """
        vault = self._vault.result()
        match data:
            case DataClass.OBJECTS:
                return Awaited("the bucket pairs exist", vault, ALWAYS, resources=self._buckets)
            case DataClass.VOLUMES:
                return self._of_volumes(vault)
            case DataClass.DATABASES:
                return self._of_databases(vault)
            case DataClass.FILES:
                return Awaited("this deployment has no file system", vault)

    def _of_volumes(self, vault: datetime) -> Awaited:
        try:
            found = self._volumes.result(PRIMARY_BY).selected
        except DrError as error:
            return Awaited("", vault, error=error)
        if not found:
            text = f"{self._home} has no volume with the tag {BACKUP_KEY}={ENABLED}"
            return Awaited(text, vault)
        return Awaited(f"volume {found[0].id} exists", vault, found[0].created, resources=found)

    def _of_databases(self, vault: datetime) -> Awaited:
        if self._record is None:
            return Awaited("dr:database is none", vault)
        error: DrError | None = None
        known: list[Cluster] = []
        for each in self._clusters:
            try:
                known += _found(each.result(PRIMARY_BY))
            except DrError as failed:
                error = failed
        if not known:
            return Awaited(f"{self._home} has no database cluster {self._record.cluster}", vault, error=error)
        oldest = min(known, key=_created)
        return Awaited(f"database cluster {oldest.identifier} exists", vault, _created(oldest), error)


def _found(cluster: Cluster | None) -> Iterator[Cluster]:
    if cluster is not None:
        yield cluster


def _created(cluster: Cluster) -> datetime:
    return cluster.created or ALWAYS
