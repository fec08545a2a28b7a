"""Protection: storage classes with snapshots, and Velero's daily backup (docs/requirements.md, "Cluster backup")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import protection_spec
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.protection_spec import ProtectionSpec


@dataclass(frozen=True)
class ProtectionArgs:
    """Arguments of `Protection`.

    Args:
        access: Access to the cluster.
        spec: Specification of the protection.
        after: Resources to wait for: Velero's namespace and its contents.
        velero: Velero's release, which installs its definitions.
    """

    access: ClusterAccess
    spec: ProtectionSpec
    after: Sequence[pulumi.Resource] = ()
    velero: Sequence[pulumi.Resource] = ()


class Protection(pulumi.ComponentResource):
    """A StorageClass, a VolumeSnapshotClass, and Velero's backup location and schedule."""

    def __init__(self, name: str, args: ProtectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Protection", name, None, opts)
        access, spec = args.access, args.spec
        access.place(self, f"{name}-storage", protection_spec.storage_class())
        snapshots = access.place(self, f"{name}-snapshots", protection_spec.snapshot_class())
        waits = (*args.after, *args.velero)
        location = access.place(self, f"{name}-location", protection_spec.location(spec), *waits)
        access.place(self, f"{name}-daily", protection_spec.schedule(spec), location, snapshots)
        self.register_outputs({})
