"""What an emulator of AWS answers about replication, global databases and backups: the same calls for any emulator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

EAST, WEST = "us-east-1", "us-west-2"

PATIENCE_SECONDS = 4.0
"""Longest time to wait for something that happens after a call."""


@dataclass(frozen=True)
class Client:
    """An emulator.

    Args:
        make: Makes a client of a service in a region.
        later: Lets time pass that the emulator models.
    """

    make: Callable[[str, str], Any]
    later: Callable[[], None] = lambda: None

    def __call__(self, service: str, region: str) -> Any:
        """Return a client of a service in a region."""
        return self.make(service, region)


def until(look: Callable[[], Any], wanted: Callable[[Any], bool] = bool) -> Any:
    """Return a value once it is as wanted, or the last one."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not wanted(found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def code_of(call: Callable[[], Any]) -> str:
    """Return the code of a refusal, or "accepted"."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "accepted"


def trust(service: str) -> str:
    allowed = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


class Buckets:
    """A replicated pair of buckets with names of its own."""

    def __init__(self, client: Client, name: str, markers: str = "Enabled", versioned: bool = True) -> None:
        self.client, self.names = client, (f"{name}-east", f"{name}-west")
        self.east, self.west = client("s3", EAST), client("s3", WEST)
        self.east.create_bucket(Bucket=self.names[0])
        self.west.create_bucket(Bucket=self.names[1], CreateBucketConfiguration={"LocationConstraint": WEST})
        if versioned:
            for bucket, each in zip(self.names, (self.east, self.west), strict=True):
                each.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.rule = {
            "ID": "all",
            "Status": "Enabled",
            "Priority": 1,
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": markers},
            "Destination": {"Bucket": f"arn:aws:s3:::{self.names[1]}"},
        }

    def replicate(self) -> None:
        role = "arn:aws:iam::123456789012:role/replication"
        self.east.put_bucket_replication(
            Bucket=self.names[0], ReplicationConfiguration={"Role": role, "Rules": [self.rule]}
        )

    def put(self, **more: Any) -> str:
        return str(self.east.put_object(Bucket=self.names[0], Key="k", Body=b"x", **more).get("VersionId"))

    def replica(self) -> dict[str, Any]:
        """Return the head of the replica, once there is one; empty without."""

        def head() -> dict[str, Any]:
            try:
                return dict(self.west.head_object(Bucket=self.names[1], Key="k"))
            except ClientError:
                return {}

        found: dict[str, Any] = until(head)
        return found


def replica_has_the_version_id_of_its_source(client: Client) -> Any:
    pair = Buckets(client, "id")
    pair.replicate()
    return pair.put() == pair.replica().get("VersionId")


def status_of_a_replicated_object(client: Client) -> Any:
    pair = Buckets(client, "status")
    pair.replicate()
    pair.put()
    pair.replica()

    def status() -> Any:
        return pair.east.head_object(Bucket=pair.names[0], Key="k").get("ReplicationStatus")

    return until(status, lambda found: found in ("COMPLETED", "COMPLETE"))


def status_of_a_replica(client: Client) -> Any:
    pair = Buckets(client, "replica")
    pair.replicate()
    pair.put()
    return pair.replica().get("ReplicationStatus")


def delete_marker_is_replicated_if_the_rule_says_so(client: Client) -> Any:
    pair = Buckets(client, "marker")
    pair.replicate()
    pair.put()
    pair.replica()
    pair.east.delete_object(Bucket=pair.names[0], Key="k")
    return until(lambda: len(pair.west.list_object_versions(Bucket=pair.names[1]).get("DeleteMarkers", [])))


def delete_marker_is_replicated_although_the_rule_denies_it(client: Client) -> Any:
    pair = Buckets(client, "nomarker", markers="Disabled")
    pair.replicate()
    pair.put()
    pair.replica()
    pair.east.delete_object(Bucket=pair.names[0], Key="k")
    return until(lambda: len(pair.west.list_object_versions(Bucket=pair.names[1]).get("DeleteMarkers", [])))


def deletion_of_a_version_is_replicated(client: Client) -> Any:
    pair = Buckets(client, "version")
    pair.replicate()
    version = pair.put()
    pair.replica()
    pair.east.delete_object(Bucket=pair.names[0], Key="k", VersionId=version)
    return not until(pair.replica, lambda found: not found)


def object_encrypted_by_kms_is_replicated_without_a_rule_about_kms(client: Client) -> Any:
    pair = Buckets(client, "kms")
    pair.replicate()
    key = client("kms", EAST).create_key()["KeyMetadata"]["Arn"]
    pair.put(ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    return bool(pair.replica())


def replication_of_a_bucket_without_versioning(client: Client) -> Any:
    return code_of(Buckets(client, "plain", versioned=False).replicate)


def object_that_was_there_before_is_replicated(client: Client) -> Any:
    pair = Buckets(client, "before")
    pair.put()
    pair.replicate()
    return bool(pair.replica())


ENGINE = {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}
LOGIN = {"MasterUsername": "postgres", "MasterUserPassword": "only-for-tests-1"}


def _global(client: Client, name: str) -> tuple[Any, Any, list[str]]:
    """Create a global database with a writer and a secondary cluster; return both clients and their ARNs."""
    east, west = client("rds", EAST), client("rds", WEST)
    east.create_global_cluster(GlobalClusterIdentifier=name, **ENGINE)
    arns = []
    for rds, suffix, more in ((east, "east", LOGIN), (west, "west", {})):
        cluster = {"DBClusterIdentifier": f"{name}-{suffix}", "GlobalClusterIdentifier": name, **ENGINE, **more}
        arns.append(str(rds.create_db_cluster(**cluster)["DBCluster"]["DBClusterArn"]))
        client.later()
        instance = {"DBInstanceIdentifier": f"{name}-{suffix}-1", "DBInstanceClass": "db.r6g.large"}
        rds.create_db_instance(**instance, DBClusterIdentifier=f"{name}-{suffix}", Engine=ENGINE["Engine"])
        client.later()
    return east, west, arns


def _writers(rds: Any, name: str) -> list[str]:
    (found,) = rds.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"]
    members = found["GlobalClusterMembers"]
    return [str(each["DBClusterArn"]).split(":")[3] for each in members if each["IsWriter"]]


def writer_after_a_switchover(client: Client) -> Any:
    east, _, arns = _global(client, "swap")
    east.switchover_global_cluster(GlobalClusterIdentifier="swap", TargetDbClusterIdentifier=arns[1])
    client.later()
    return until(lambda: _writers(east, "swap"), lambda found: found == [WEST])


def switchover_called_in_a_secondary_region(client: Client) -> Any:
    _, west, arns = _global(client, "there")
    return code_of(
        lambda: west.switchover_global_cluster(GlobalClusterIdentifier="there", TargetDbClusterIdentifier=arns[1])
    )


def failover_without_a_choice_about_data_loss(client: Client) -> Any:
    _, west, arns = _global(client, "choice")
    return code_of(
        lambda: west.failover_global_cluster(GlobalClusterIdentifier="choice", TargetDbClusterIdentifier=arns[1])
    )


def deletion_of_a_global_database_with_members(client: Client) -> Any:
    east, _, _ = _global(client, "members")
    return code_of(lambda: east.delete_global_cluster(GlobalClusterIdentifier="members"))


def secondary_cluster_with_a_master_user(client: Client) -> Any:
    east, west = client("rds", EAST), client("rds", WEST)
    east.create_global_cluster(GlobalClusterIdentifier="user", **ENGINE)
    east.create_db_cluster(DBClusterIdentifier="user-east", GlobalClusterIdentifier="user", **ENGINE, **LOGIN)
    return code_of(
        lambda: west.create_db_cluster(
            DBClusterIdentifier="user-west", GlobalClusterIdentifier="user", **ENGINE, **LOGIN
        )
    )


def _backed_up(client: Client, name: str) -> tuple[Any, str, str]:
    """Back up a volume; return the client, the role and the recovery point's ARN."""
    ec2, backup, iam = client("ec2", EAST), client("backup", EAST), client("iam", EAST)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("backup.amazonaws.com"))["Role"]["Arn"]
    volume = ec2.create_volume(AvailabilityZone=f"{EAST}a", Size=1)["VolumeId"]
    backup.create_backup_vault(BackupVaultName=name)
    arn = f"arn:aws:ec2:{EAST}:123456789012:volume/{volume}"
    job = backup.start_backup_job(BackupVaultName=name, ResourceArn=arn, IamRoleArn=role)["BackupJobId"]
    done = until(lambda: backup.describe_backup_job(BackupJobId=job), lambda found: found["State"] == "COMPLETED")
    return backup, str(role), str(done.get("RecoveryPointArn"))


def backup_of_a_volume_is_a_recovery_point_of_its_vault(client: Client) -> Any:
    backup, _, _ = _backed_up(client, "point")
    found = backup.list_recovery_points_by_backup_vault(BackupVaultName="point")["RecoveryPoints"]
    return [(each["ResourceType"], each["Status"]) for each in found]


def deletion_of_a_vault_with_recovery_points(client: Client) -> Any:
    backup, _, _ = _backed_up(client, "full")
    return code_of(lambda: backup.delete_backup_vault(BackupVaultName="full"))


def deletion_of_a_recovery_point_that_a_lock_keeps(client: Client) -> Any:
    backup = client("backup", EAST)
    backup.create_backup_vault(BackupVaultName="locked")
    backup.put_backup_vault_lock_configuration(BackupVaultName="locked", MinRetentionDays=7)
    role = client("iam", EAST).create_role(RoleName="locked", AssumeRolePolicyDocument=trust("backup.amazonaws.com"))
    volume = client("ec2", EAST).create_volume(AvailabilityZone=f"{EAST}a", Size=1)["VolumeId"]
    arn = f"arn:aws:ec2:{EAST}:123456789012:volume/{volume}"
    job = backup.start_backup_job(
        BackupVaultName="locked",
        ResourceArn=arn,
        IamRoleArn=role["Role"]["Arn"],
        Lifecycle={"DeleteAfterDays": 30},
    )["BackupJobId"]
    done = until(lambda: backup.describe_backup_job(BackupJobId=job), lambda found: found["State"] == "COMPLETED")
    return code_of(
        lambda: backup.delete_recovery_point(BackupVaultName="locked", RecoveryPointArn=done["RecoveryPointArn"])
    )


def backup_below_the_shortest_retention_of_a_lock(client: Client) -> Any:
    backup = client("backup", EAST)
    backup.create_backup_vault(BackupVaultName="short")
    backup.put_backup_vault_lock_configuration(BackupVaultName="short", MinRetentionDays=7)
    role = client("iam", EAST).create_role(RoleName="short", AssumeRolePolicyDocument=trust("backup.amazonaws.com"))
    volume = client("ec2", EAST).create_volume(AvailabilityZone=f"{EAST}a", Size=1)["VolumeId"]
    arn = f"arn:aws:ec2:{EAST}:123456789012:volume/{volume}"
    wanted = {"BackupVaultName": "short", "ResourceArn": arn, "IamRoleArn": role["Role"]["Arn"]}
    try:
        job = backup.start_backup_job(**wanted, Lifecycle={"DeleteAfterDays": 1})["BackupJobId"]
    except ClientError as error:
        return error.response["Error"]["Code"]
    ended = ("COMPLETED", "FAILED", "ABORTED")
    return until(lambda: backup.describe_backup_job(BackupJobId=job), lambda found: found["State"] in ended)["State"]


OBSERVATIONS: dict[str, Callable[[Client], Any]] = {
    each.__name__: each
    for each in (
        replica_has_the_version_id_of_its_source,
        status_of_a_replicated_object,
        status_of_a_replica,
        delete_marker_is_replicated_if_the_rule_says_so,
        delete_marker_is_replicated_although_the_rule_denies_it,
        deletion_of_a_version_is_replicated,
        object_encrypted_by_kms_is_replicated_without_a_rule_about_kms,
        replication_of_a_bucket_without_versioning,
        object_that_was_there_before_is_replicated,
        writer_after_a_switchover,
        switchover_called_in_a_secondary_region,
        failover_without_a_choice_about_data_loss,
        deletion_of_a_global_database_with_members,
        secondary_cluster_with_a_master_user,
        backup_of_a_volume_is_a_recovery_point_of_its_vault,
        deletion_of_a_vault_with_recovery_points,
        deletion_of_a_recovery_point_that_a_lock_keeps,
        backup_below_the_shortest_retention_of_a_lock,
    )
}
"""The observations by name. Each uses names of its own, so that one emulator can answer them all."""


def observed(client: Client, name: str) -> str:
    """Return what an emulator answers, or the call that it refused."""
    try:
        return str(OBSERVATIONS[name](client))
    except ClientError as error:
        return f"{error.operation_name}: {error.response['Error']['Code']}"
