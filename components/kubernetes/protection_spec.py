"""What keeps volumes and cluster state: storage that can be snapshotted, and Velero's location and schedule. Pure.

**What is backed up** (docs/requirements.md, "Cluster backup"): volumes, ConfigMaps and Secrets with the label
`backup: enabled`, daily.
Volumes go by the data mover: a CSI snapshot is read by Velero's node agent and its bytes are written to S3. An EBS
snapshot itself stays in its region, and file-system backup goes by pods, which are not among these resources: it would
back up nothing and say success. The data mover takes only volumes of a CSI driver with a VolumeSnapshotClass that
carries Velero's label; so both are made here, and the StorageClass is the default one, the same in both regions, since
a restored volume asks for its class by name. What the data mover wrote is put in the backup whatever resources are
listed (velero, pkg/backup/backup.go, `finalizeItem`), so the three kinds are enough.

**Where it is kept**: in a bucket pair of its own, `velero`. A backup holds Secrets in plain text, which only Velero's
role is to read, and its parts are removed when they expire, on both sides. A prefix of `registry` would cost fifteen
resources less; but that pair keeps deletes on their side, and roles of others read in it.

**The other region** has the same location by the same name, over its own bucket, and its own region in `config`: Velero
asked of another region's bucket gets a redirect, and fails (velero-io/velero issue 6732). It is read-only there: two
clusters that write to one repository would each remove what they take for the other's garbage. After a failover it is
made writable and its schedule let go. The data mover's repository is encrypted with Velero's own well-known password,
the same in every cluster unless somebody changes it: with another one in either cluster nothing can be read (issue
7613). What protects the bytes is the bucket: its KMS key, its policy, and Velero's role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.kubernetes.labels import REGISTRY, SERVING, TRAINING, VELERO, metadata
from components.tagging import BACKUP_TAG
from dr.topology.topology import Role

LOCATION, SCHEDULE, STORAGE, SNAPSHOTS = "default", "ml-backup-daily", "gp3", "ebs"
"""Names. A backup names its location, and so does the restore in the other region."""
DAILY, KEPT = "0 2 * * *", "720h0m0s"
"""At 02:00 UTC, kept for 720 hours (docs/requirements.md, "Cluster backup")."""
NAMESPACES = (SERVING, TRAINING, REGISTRY)
RESOURCES = ("persistentvolumeclaims", "configmaps", "secrets")
CSI_DRIVER = "ebs.csi.aws.com"


@dataclass(frozen=True)
class ProtectionSpec:
    """What protects a region's cluster.

    Args:
        role: What the region is for.
        region: The region.
        bucket: Its bucket of the pair "velero".
    """

    role: Role
    region: str
    bucket: str


def storage_class() -> dict[str, Any]:
    """Encrypted volumes of the CSI driver, by default; AWS Backup takes them by their tag, too.

    The classes that EKS makes by itself have no default, or one whose volumes are not encrypted.
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
        # A volume is in one zone: the one its pod was placed in.
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def snapshot_class() -> dict[str, Any]:
    """How Velero takes snapshots: the class that carries its label. Each is deleted once its bytes were moved."""
    made = metadata(SNAPSHOTS)
    made["labels"]["velero.io/csi-volumesnapshot-class"] = "true"
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": made,
        "driver": CSI_DRIVER,
        "deletionPolicy": "Delete",
    }


def location(spec: ProtectionSpec) -> dict[str, Any]:
    """Where backups are. The bucket encrypts what it is given, so no key is named."""
    return {
        "apiVersion": "velero.io/v1",
        "kind": "BackupStorageLocation",
        "metadata": metadata(LOCATION, VELERO),
        "spec": {
            "provider": "aws",
            "default": True,
            "accessMode": "ReadWrite" if spec.role is Role.PRIMARY else "ReadOnly",
            "backupSyncPeriod": "1m0s",
            "objectStorage": {"bucket": spec.bucket},
            "config": {"region": spec.region},
        },
    }


def schedule(spec: ProtectionSpec) -> dict[str, Any]:
    """The daily backup; paused where the location can only be read."""
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Schedule",
        "metadata": metadata(SCHEDULE, VELERO),
        "spec": {
            "schedule": DAILY,
            "paused": spec.role is Role.RECOVERY,
            # A Schedule that is removed by mistake must not take its backups with it.
            "useOwnerReferencesInBackup": False,
            "template": {
                "includedNamespaces": list(NAMESPACES),
                "includedResources": list(RESOURCES),
                "labelSelector": {"matchLabels": dict(BACKUP_TAG)},
                "storageLocation": LOCATION,
                "snapshotVolumes": True,
                "snapshotMoveData": True,
                "defaultVolumesToFsBackup": False,
                "csiSnapshotTimeout": "10m0s",
                "itemOperationTimeout": "4h0m0s",
                "ttl": KEPT,
            },
        },
    }
