"""What writes into replicated buckets from a cluster, in one region at a time. Pure.

The objects exist in both clusters, and are active in the region that serves: two that write into a bucket pair would
remove or overwrite what the other wrote. An operation hands them over (`dr.operations.handover_steps`), and the next
`pulumi up` deploys the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from dr.names import MLFLOW, VELERO

BACKUP_LOCATION, BACKUP_SCHEDULE, REGISTRY_BACKUP = "default", "ml-backup-daily", "registry-backup"
"""Names of the objects. A cluster backup names its location, and so does a restore in the other region."""
BACKUP_RPO = timedelta(hours=26)
"""Longest age of a cluster backup: one daily run, and two hours for it to finish."""


@dataclass(frozen=True)
class Writer:
    """An object of a cluster that writes, or makes others write.

    Args:
        title: What it is, as text.
        group: Its API group.
        resource: Its resource type in the plural.
        version: Version of its API.
        namespace: Its namespace.
        name: Its name.
        active: Fields of its specification in the region that serves.
        idle: The same fields in the other region.
    """

    title: str
    group: str
    resource: str
    version: str
    namespace: str
    name: str
    active: Mapping[str, object]
    idle: Mapping[str, object]

    @property
    def path(self) -> str:
        """Path of the object in the API server."""
        return f"/apis/{self.group}/{self.version}/namespaces/{self.namespace}/{self.resource}/{self.name}"

    def fields(self, serves: bool) -> dict[str, object]:
        """Return the fields of its specification.

        Args:
            serves: Whether clients use the region.
        """
        return dict(self.active if serves else self.idle)


LOCATION = Writer(
    *("backup location", "velero.io", "backupstoragelocations", "v1", VELERO, BACKUP_LOCATION),
    active={"accessMode": "ReadWrite"},
    idle={"accessMode": "ReadOnly"},
)
SCHEDULE = Writer(
    *("cluster backup", "velero.io", "schedules", "v1", VELERO, BACKUP_SCHEDULE),
    active={"paused": False},
    idle={"paused": True},
)
REGISTRY = Writer(
    *("registry backup", "batch", "cronjobs", "v1", MLFLOW, REGISTRY_BACKUP),
    active={"suspend": False},
    idle={"suspend": True},
)
WRITERS = (LOCATION, SCHEDULE, REGISTRY)
"""In the order in which they are activated: a schedule needs a location that it may write to."""
