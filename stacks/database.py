"""The global database: its primary cluster (primary stack), and its secondary cluster by tier (dr stack)."""

from __future__ import annotations

from typing import Any

import pulumi

from components.data.data_keys import DataKeys
from components.data.database_network import DatabaseNetwork, DatabaseNetworkArgs
from components.data.global_database import GlobalDatabase, GlobalDatabaseArgs
from components.data.global_database_replica import GlobalDatabaseReplica, GlobalDatabaseReplicaArgs
from components.tagging import tags_of
from dr.names import REGISTRY
from dr.topology.topology import Role, Topology
from stacks.region import Region

Record = pulumi.Output[dict[str, Any]]
"""Fields of a region's `DatabaseRecord`."""


def global_database(topology: Topology, here: Region, keys: DataKeys) -> Record | None:
    """Create the global database with its primary cluster, and return the region's part; None without a database.

    Args:
        topology: The topology to deploy.
        here: Components of the primary region.
        keys: KMS keys of both regions.
    """
    if topology.database is None:
        return None
    by_role = {Role.PRIMARY: keys.source_arn, Role.RECOVERY: keys.replica_arn}
    return GlobalDatabase(
        "database",
        GlobalDatabaseArgs(
            name=topology.bucket_prefix,
            cluster=topology.database_cluster(Role.PRIMARY),
            database=topology.database,
            region=topology.primary.region,
            replica_region=topology.recovery.region,
            key_arn=keys.source_arn,
            replica_key_arn=keys.replica_arn,
            network=_network(topology, here),
            exports=[
                (topology.bucket(REGISTRY, role), topology.site(role).region, key) for role, key in by_role.items()
            ],
            protect=topology.protect_data,
            tags=tags_of(topology),
        ),
    ).record


def database_replica(topology: Topology, here: Region, key_arn: pulumi.Input[str]) -> Record | None:
    """Create the secondary cluster that the tier has, and return the region's part; None without a database.

    Args:
        topology: The topology to deploy.
        here: Components of the recovery region.
        key_arn: ARN of the KMS key that encrypts data in this region.
    """
    if topology.database is None:
        return None
    return GlobalDatabaseReplica(
        "database",
        GlobalDatabaseReplicaArgs(
            name=topology.bucket_prefix,
            cluster=topology.database_cluster(Role.RECOVERY),
            database=topology.database,
            instances=topology.database_instances,
            region=topology.recovery.region,
            key_arn=key_arn,
            network=_network(topology, here),
            tags=tags_of(topology),
        ),
    ).record


def _network(topology: Topology, here: Region) -> DatabaseNetwork:
    return DatabaseNetwork(
        "database-network",
        DatabaseNetworkArgs(
            name=f"{topology.bucket_prefix}-database",
            region=topology.here.region,
            vpc_id=here.network.vpc_id,
            subnet_ids=here.network.private_subnet_ids,
            client_group_id=here.cluster.security_group_id,
            tags=tags_of(topology),
        ),
    )
