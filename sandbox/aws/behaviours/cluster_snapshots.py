"""Recovery points of Aurora clusters: DB cluster snapshots of the type `awsbackup`, and their copies in other regions.

Sources: AWS Backup developer guide, "Monitoring AWS Backup events using EventBridge" (a recovery point of Aurora has
the ARN of a cluster snapshot, `awsbackup:job-<id>`) and "Encryption for backups in AWS Backup" (a snapshot has the key
of its cluster, a copy that of its vault, and one of a cluster without encryption has none). Names of copies,
`awsbackup:copyjob-<id>`, are from public reports. That a copy keeps tags and creation time of its source is assumed:
the RDS API reference says when a snapshot "was taken", and not whether a copy changes it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from uuid import uuid4

from moto.rds.models import DBCluster, DBClusterSnapshot, rds_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours.keys import unusable

AWS_BACKUP = "awsbackup"
"""Type of the snapshots that AWS Backup manages (RDS API reference, DescribeDBClusterSnapshots)."""
ENGINES = ("aurora-mysql", "aurora-postgresql")


def clusters(region: str) -> Iterator[DBCluster]:
    """The Aurora clusters of a region."""
    yield from (each for each in list(rds_backends[ACCOUNT][region].clusters.values()) if each.engine in ENGINES)


def refusal(arn: str) -> str:
    """Why a cluster cannot be backed up; an empty string if it can.

    RDS takes snapshots of available clusters only (API reference, CreateDBClusterSnapshot, InvalidDBClusterStateFault).
    """
    cluster = _cluster(arn)
    if cluster.status != "available":
        return f"Cluster {cluster.db_cluster_identifier} is in {cluster.status} state"
    return ""


def copy_refusal(arn: str, region: str, key: str) -> str:
    """Why a snapshot cannot be copied; an empty string if it can: the keys of both regions are used."""
    source = find(arn)
    if source is None:
        return f"Source snapshot {arn} does not exist"
    if not source.encrypted:
        return ""
    for used, there in ((source.kms_key_id, source.region), (key, region)):
        if used and (problem := unusable(used, there)):
            return f"{problem.code}: {problem.message}"
    return ""


def take(arn: str, at: datetime.datetime) -> DBClusterSnapshot:
    """Take a snapshot of a cluster."""
    cluster = _cluster(arn)
    tags = [dict(each) for each in cluster.tags or ()]
    made = DBClusterSnapshot(cluster.backend, cluster, f"awsbackup:job-{uuid4()}", AWS_BACKUP, tags)
    return _keep(made, at, datetime.datetime.now(datetime.UTC))


def copy(arn: str, region: str, key: str, at: datetime.datetime) -> DBClusterSnapshot:
    """Copy a snapshot to a region, encrypted with a key of that region if the source is encrypted."""
    source = rds_backends[ACCOUNT][arn.split(":")[3]].cluster_snapshots[_name(arn)]
    made = DBClusterSnapshot(
        rds_backends[ACCOUNT][region],
        source.cluster,
        f"awsbackup:copyjob-{uuid4()}",
        AWS_BACKUP,
        [dict(each) for each in source.tags or ()],
        key if source.encrypted else None,
    )
    return _keep(made, source.created.replace(tzinfo=datetime.UTC), data_time(source))


def _keep(made: DBClusterSnapshot, at: datetime.datetime, taken: datetime.datetime) -> DBClusterSnapshot:
    made.created = at.astimezone(datetime.UTC).replace(tzinfo=None)
    vars(made)["taken"] = taken
    made.backend.cluster_snapshots[made.db_cluster_snapshot_identifier] = made
    return made


def data_time(snapshot: DBClusterSnapshot) -> datetime.datetime:
    """When the data of a snapshot was read, by the machine's clock, which the databases have."""
    taken: datetime.datetime | None = vars(snapshot).get("taken")
    return taken or snapshot.created.replace(tzinfo=datetime.UTC)


def find(arn: str) -> DBClusterSnapshot | None:
    """Find a snapshot by its ARN."""
    return rds_backends[ACCOUNT][arn.split(":")[3]].cluster_snapshots.get(_name(arn))


def remove(arn: str) -> None:
    """Delete a snapshot."""
    if found := find(arn):
        del found.backend.cluster_snapshots[found.db_cluster_snapshot_identifier]


def _name(arn: str) -> str:
    return arn.partition(":cluster-snapshot:")[2]


def _cluster(arn: str) -> DBCluster:
    return rds_backends[ACCOUNT][arn.split(":")[3]].clusters[arn.rpartition(":")[2]]
