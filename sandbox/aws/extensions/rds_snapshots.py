"""RDS: restores of Aurora clusters from snapshots and to a time, and snapshots that AWS Backup manages.

Sources: API reference in botocore's service model; Aurora user guide, "Restoring from a DB cluster snapshot" and
"Deleting a DB cluster snapshot" (AWS Backup deletes what it manages; the message is not documented).
"""

from __future__ import annotations

import datetime
from typing import Any

from moto.rds.models import DBCluster, RDSBackend

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import cluster_snapshots
from sandbox.aws.behaviours.cluster_snapshots import AWS_BACKUP
from sandbox.aws.behaviours.global_databases import database_of
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.rds import backend_of, check_places


def _restore(self: RDSBackend, from_snapshot_id: str, overrides: dict[str, Any]) -> DBCluster:
    """Restore from a snapshot of any type, by identifier or ARN; moto finds none that AWS Backup manages.

    A snapshot has no deletion protection, which a restore enables on request only (API reference).
    """
    source = {**self.get_db_cluster_snapshot(from_snapshot_id).cluster.get_cfg(), "deletion_protection": False}
    return self.create_db_cluster({**source, **{name: value for name, value in overrides.items() if value}})


RDSBackend.restore_db_cluster_from_snapshot = _restore  # type: ignore[method-assign]


@answers("rds", "RestoreDBClusterFromSnapshot", "RestoreDBClusterToPointInTime")
def restore_cluster(call: Call, moto: Moto) -> Answer:
    """Restore into a standalone cluster; moto would add it to the global cluster of its source."""
    name = call.parameters["DBClusterIdentifier"]
    if name in backend_of(call).clusters:
        raise AwsError("DBClusterAlreadyExistsFault", f"DB Cluster already exists: {name}")
    check_places(call, call.parameters)
    _check_snapshot(call)
    answer = moto()
    if made := backend_of(call).clusters.get(name):
        if database := database_of(made):
            database.members.remove(made)
        made.global_cluster_identifier = made.replication_source_identifier = None
        made.is_writer = False
        call.world.databases.restored(made, *_restored_from(call))
    return answer


def _check_snapshot(call: Call) -> None:
    """Refuse a snapshot of another region, and one that is encrypted with a key that cannot be used."""
    if call.operation != "RestoreDBClusterFromSnapshot":
        return
    wanted = call.parameters["SnapshotIdentifier"]
    found = backend_of(call).cluster_snapshots.get(_name(wanted))
    if found is None or (wanted.startswith("arn:") and wanted != found.arn):
        raise AwsError("DBClusterSnapshotNotFoundFault", f"DBClusterSnapshot {wanted} not found.")
    if found.encrypted and found.kms_key_id and (problem := unusable(found.kms_key_id, call.region)):
        text = f"The key of snapshot {wanted} cannot be used: {problem.message}"
        raise AwsError("KMSKeyNotAccessibleFault", text)


def _restored_from(call: Call) -> tuple[str, datetime.datetime | None]:
    """Return the resource ID of the cluster that a restore takes the data of, and the time of that data."""
    wanted, backend = call.parameters, backend_of(call)
    if call.operation == "RestoreDBClusterFromSnapshot":
        snapshot = backend.cluster_snapshots[_name(wanted["SnapshotIdentifier"])]
        return snapshot.cluster.db_cluster_resource_id, cluster_snapshots.data_time(snapshot)
    source = backend.clusters[wanted["SourceDBClusterIdentifier"].rpartition(":")[2]]
    return source.db_cluster_resource_id, None if wanted.get("UseLatestRestorableTime") else wanted["RestoreToTime"]


def _name(snapshot: str) -> str:
    return snapshot.rpartition(":cluster-snapshot:")[2]


@answers("rds", "DeleteDBClusterSnapshot")
def delete_snapshot(call: Call, moto: Moto) -> Answer:
    """Delete a snapshot, unless AWS Backup manages it."""
    wanted = call.parameters["DBClusterSnapshotIdentifier"]
    found = backend_of(call).cluster_snapshots.get(_name(wanted))
    if found and found.snapshot_type == AWS_BACKUP:
        text = f"Snapshot {wanted} is managed by AWS Backup; delete its recovery point"
        raise AwsError("InvalidDBClusterSnapshotStateFault", text)
    return moto()
