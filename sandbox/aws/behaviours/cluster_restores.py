"""Restores of Aurora clusters by AWS Backup: a cluster without an instance, from the snapshot of a recovery point.

Sources: RDS API reference, RestoreDBClusterFromSnapshot (instances are created afterwards, by the caller); AWS Backup
developer guide, "Restoring an Amazon Aurora cluster" (the metadata have the parameters of that call, and none of an
instance) and "Restore testing inferred metadata" (without a subnet group, a cluster is restored to the default VPC, and
without one the job fails). That a list is a JSON array is from public configurations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.world import World

NAMES = {
    "dbclusteridentifier": "DBClusterIdentifier",
    "engine": "Engine",
    "engineversion": "EngineVersion",
    "dbsubnetgroupname": "DBSubnetGroupName",
    "kmskeyid": "KmsKeyId",
}
"""Metadata by lower-case name, and the parameters that they are."""
GROUPS = "vpcsecuritygroupids"


def refusal(world: World, region: str, metadata: Mapping[str, str]) -> str:
    """Why AWS Backup cannot restore a cluster with its metadata by lower-case name; an empty string if it can."""
    if metadata.get("dbsubnetgroupname") or _has_default_vpc(world, region):
        return ""
    return f"{region} has no default VPC, and the restore metadata name no DBSubnetGroupName"


def restore(world: World, region: str, snapshot: str, metadata: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """Restore a cluster, and return its ARN.

    Args:
        world: The emulated AWS.
        region: Region of the snapshot.
        snapshot: ARN of the snapshot.
        metadata: Restore metadata by lower-case name.
        tags: Tags of the cluster.

    Raises:
        ClientError: RDS refuses.
    """
    wanted: dict[str, Any] = {parameter: metadata[name] for name, parameter in NAMES.items() if metadata.get(name)}
    if GROUPS in metadata:
        wanted["VpcSecurityGroupIds"] = json.loads(metadata[GROUPS])
    if tags:
        wanted["Tags"] = [{"Key": name, "Value": value} for name, value in tags.items()]
    made = world.client("rds", region).restore_db_cluster_from_snapshot(SnapshotIdentifier=snapshot, **wanted)
    return str(made["DBCluster"]["DBClusterArn"])


def delete(world: World, region: str, arn: str) -> None:
    """Delete a cluster that a restore test has restored, if it exists."""
    try:
        world.client("rds", region).delete_db_cluster(
            DBClusterIdentifier=arn.rpartition(":")[2], SkipFinalSnapshot=True
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "DBClusterNotFoundFault":
            raise


def _has_default_vpc(world: World, region: str) -> bool:
    wanted = [{"Name": "isDefault", "Values": ["true"]}]
    return bool(world.client("ec2", region).describe_vpcs(Filters=wanted)["Vpcs"])
