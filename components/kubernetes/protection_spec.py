"""Backup of volumes and cluster state: storage with snapshots, Velero's backup location and schedule. Pure.

**Content** (docs/requirements.md, "Cluster backup"): volumes, ConfigMaps and Secrets with the label `backup: enabled`,
daily. Volumes are backed up by the data mover: Velero's node agent reads a CSI snapshot and writes its bytes to S3. EBS
snapshots are not used, because they stay in their region; nor is file-system backup, which selects by pods: pods are
not among these resources, so it would report success without a backup. The data mover requires a CSI driver and a
VolumeSnapshotClass with Velero's label. So both classes are created here, and the StorageClass is the default and has
the same name in both regions, because a restored volume refers to its class by name. The data mover's own resources are
added to the backup regardless of the listed resources (velero, pkg/backup/backup.go, `finalizeItem`), so the three
kinds are enough.

**Bucket**: a bucket pair of its own, `velero`. Backups hold Secrets in plain text, which only Velero's role may read,
and expired parts must be deleted in both regions. A prefix in `registry` would save fifteen resources, but that pair
does not replicate deletes, and other roles read from it.

**Other region**: a backup location with the same name, with its own bucket and its own region in `config`, because
Velero fails on the redirect from another region's bucket (velero-io/velero issue 6732). It is read-only: two clusters
that write to one repository would delete each other's data as garbage. A failover makes it writable and resumes its
schedule (`dr.topology.writers`). The repository is encrypted with Velero's default, publicly known password; if an
operator changes it in one cluster, the other cannot read the backups (issue 7613). The bucket protects the data: by its
KMS key, its policy, and Velero's role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.kubernetes.labels import REGISTRY, SERVING, TRAINING, VELERO, metadata
from components.tagging import BACKUP_TAG
from dr.topology import writers

STORAGE, SNAPSHOTS = "gp3", "ebs"
DAILY, KEPT = "0 2 * * *", "720h0m0s"
"""docs/requirements.md, "Cluster backup": at 02:00 UTC, retention 720 hours."""
NAMESPACES = (SERVING, TRAINING, REGISTRY)
RESOURCES = ("persistentvolumeclaims", "configmaps", "secrets")
CSI_DRIVER = "ebs.csi.aws.com"


@dataclass(frozen=True)
class ProtectionSpec:
    """Specification of a cluster's protection.

    Args:
        serves: Whether clients use the region.
        region: The region.
        bucket: Name of the region's bucket of the pair "velero".
    """

    serves: bool
    region: str
    bucket: str


def storage_class() -> dict[str, Any]:
    """Return the default StorageClass: encrypted volumes of the CSI driver, with the tag for AWS Backup.

    The classes that EKS creates are not default, or do not encrypt volumes.
    """
    ((key, value),) = BACKUP_TAG.items()
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": metadata(STORAGE, annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
        "provisioner": CSI_DRIVER,
        "parameters": {"type": "gp3", "encrypted": "true", "tagSpecification_1": f"{key}={value}"},
        "reclaimPolicy": "Delete",
        "allowVolumeExpansion": True,
        # A volume is in one zone: the zone in which its pod is scheduled.
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def snapshot_class() -> dict[str, Any]:
    """Return the VolumeSnapshotClass with Velero's label. A snapshot is deleted when its data is moved."""
    labelled = metadata(SNAPSHOTS)
    labelled["labels"]["velero.io/csi-volumesnapshot-class"] = "true"
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": labelled,
        "driver": CSI_DRIVER,
        "deletionPolicy": "Delete",
    }


def location(spec: ProtectionSpec) -> dict[str, Any]:
    """Return the backup location. It names no key, because the bucket encrypts by default."""
    return {
        "apiVersion": "velero.io/v1",
        "kind": "BackupStorageLocation",
        "metadata": metadata(writers.BACKUP_LOCATION, VELERO),
        "spec": {
            "provider": "aws",
            "default": True,
            **writers.LOCATION.fields(spec.serves),
            "backupSyncPeriod": "1m0s",
            "objectStorage": {"bucket": spec.bucket},
            "config": {"region": spec.region},
        },
    }


def schedule(spec: ProtectionSpec) -> dict[str, Any]:
    """Return the daily Schedule, paused where the location is read-only."""
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Schedule",
        "metadata": metadata(writers.BACKUP_SCHEDULE, VELERO),
        "spec": {
            "schedule": DAILY,
            **writers.SCHEDULE.fields(spec.serves),
            # Deleting the Schedule by mistake must not delete its backups.
            "useOwnerReferencesInBackup": False,
            "template": {
                "includedNamespaces": list(NAMESPACES),
                "includedResources": list(RESOURCES),
                "labelSelector": {"matchLabels": dict(BACKUP_TAG)},
                "storageLocation": writers.BACKUP_LOCATION,
                "snapshotVolumes": True,
                "snapshotMoveData": True,
                "defaultVolumesToFsBackup": False,
                "csiSnapshotTimeout": "10m0s",
                "itemOperationTimeout": "4h0m0s",
                "ttl": KEPT,
            },
        },
    }
