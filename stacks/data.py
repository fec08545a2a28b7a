"""Data of both regions, owned by the primary stack: KMS keys, bucket pairs, and backups with their copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.compute.image_copy import copied_image
from components.data.backfill_role import BackfillRole, BackfillRoleArgs
from components.data.data_keys import DataKeys, DataKeysArgs
from components.data.model_images import ModelImages, ModelImagesArgs
from components.data.replicated_bucket import BucketSide, ReplicatedBucket, ReplicatedBucketArgs
from components.iam import key_of_data
from components.tagging import tags_of
from dr.names import CONTROL, DATASETS
from dr.topology.topology import Role, Topology
from stacks.backups import air_gapped_vault, backup_plans, backup_vaults


@dataclass(frozen=True)
class Data:
    """KMS keys and bucket pairs.

    Args:
        keys: Keys of both regions.
        pairs: Bucket pairs by name.
        worker_images: ID of the copy of each fleet's image in the recovery region, by fleet.
    """

    keys: DataKeys
    pairs: dict[str, ReplicatedBucket]
    worker_images: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)

    @property
    def datasets(self) -> ReplicatedBucket:
        """Bucket pair of the datasets."""
        return self.pairs[DATASETS]

    @property
    def control_bucket(self) -> pulumi.Output[str]:
        """Name of the primary region's control bucket."""
        return self.pairs[CONTROL].source_name

    @property
    def names(self) -> dict[str, list[pulumi.Output[str]]]:
        """Names of both buckets, by pair."""
        return {name: [pair.source_name, pair.replica_name] for name, pair in self.pairs.items()}


def data(topology: Topology, replicates_images: bool = True) -> Data:
    """Create bucket pairs, image repositories, KMS keys and backup vaults in both regions, and a backup plan.

    Args:
        topology: The topology to deploy.
        replicates_images: Whether this deployment sets the replication rules of the primary region's registry.
    """
    tags = tags_of(topology)
    keys = DataKeys(
        "data",
        DataKeysArgs(
            alias=topology.bucket_prefix,
            source_region=topology.primary.region,
            replica_region=topology.recovery.region,
            # Auto Scaling encrypts the volumes of workers.
            policy=key_of_data(topology.account) if topology.fleets else None,
            protect=topology.protect_data,
            tags=tags,
        ),
    )
    pairs = {
        pair.name: ReplicatedBucket(
            pair.name,
            ReplicatedBucketArgs(
                pair=pair,
                source=BucketSide(topology.bucket(pair, Role.PRIMARY), topology.primary.region),
                replica=BucketSide(topology.bucket(pair, Role.RECOVERY), topology.recovery.region),
                keys=keys,
                protect=topology.protect_data,
                tags=tags,
            ),
        )
        for pair in topology.pairs
    }
    keys_by_role = {Role.PRIMARY: keys.source_arn, Role.RECOVERY: keys.replica_arn}
    BackfillRole(
        "backfill",
        BackfillRoleArgs(
            prefix=topology.bucket_prefix,
            buckets=[topology.bucket(pair, role) for pair in topology.pairs for role in Role],
            reports=[
                (topology.bucket(CONTROL, role), topology.site(role).region, key) for role, key in keys_by_role.items()
            ],
            tags=tags,
        ),
    )
    ModelImages(
        "images",
        ModelImagesArgs(
            prefix=topology.bucket_prefix,
            account=topology.account,
            source_region=topology.primary.region,
            replica_region=topology.recovery.region,
            keys=keys,
            replicates=replicates_images,
            protect=topology.protect_data,
            tags=tags,
        ),
    )
    for role, key_arn in keys_by_role.items():
        backup_vaults(topology, role, key_arn)
    air_gapped_vault(topology)
    backup_plans(topology, topology.local_vault(Role.PRIMARY), topology.copies_vault_arn(Role.RECOVERY))
    images = {
        fleet.name: copied_image(
            topology.bucket_prefix, fleet, topology.primary.region, topology.recovery.region, keys.replica_arn, tags
        )
        for fleet in topology.fleets
    }
    return Data(keys, pairs, images)
