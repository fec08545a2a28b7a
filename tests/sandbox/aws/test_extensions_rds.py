"""Aurora global databases of the emulator: members, roles, switchover, failover, lag, and exports of snapshots."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.rds.models import rds_backends

from sandbox.aws.faults import DatabaseFault, RegionFault
from sandbox.databases.clusters import credentials
from sandbox.server import Running

EAST, WEST, GLOBAL = "us-east-1", "us-west-2", "orders"
CLUSTERS = {EAST: "orders-east", WEST: "orders-west"}
PASSWORD = "correct-horse"
ENGINE = {"Engine": "aurora-postgresql", "EngineVersion": "17.7"}
LATER = 700
"""Seconds after which every modelled duration of these tests is over."""
Control = Callable[..., Any]


def arn(region: str) -> str:
    return f"arn:aws:rds:{region}:123456789012:cluster:{CLUSTERS[region]}"


class Database:
    """A global database with an encrypted cluster in each of two regions, by boto3."""

    def __init__(self, aws: Running, control: Control) -> None:
        self.aws, self.control = aws, control
        self.rds = {region: aws.client("rds", region) for region in CLUSTERS}
        self.keys = {region: aws.client("kms", region).create_key()["KeyMetadata"]["Arn"] for region in CLUSTERS}
        self.rds[EAST].create_global_cluster(
            GlobalClusterIdentifier=GLOBAL, StorageEncrypted=True, DatabaseName="mlflow", **ENGINE
        )

    def primary(self, **more: Any) -> dict[str, Any]:
        given = {
            "DBClusterIdentifier": CLUSTERS[EAST],
            "GlobalClusterIdentifier": GLOBAL,
            "MasterUsername": "mlflow",
            "MasterUserPassword": PASSWORD,
            "DatabaseName": "mlflow",
            "StorageEncrypted": True,
            "KmsKeyId": self.keys[EAST],
            **ENGINE,
        }
        return dict(self.rds[EAST].create_db_cluster(**given | more)["DBCluster"])

    def secondary(self, **more: Any) -> dict[str, Any]:
        given = {
            "DBClusterIdentifier": CLUSTERS[WEST],
            "GlobalClusterIdentifier": GLOBAL,
            "KmsKeyId": self.keys[WEST],
            **ENGINE,
        }
        given = {name: value for name, value in (given | more).items() if value is not None}
        return dict(self.rds[WEST].create_db_cluster(**given)["DBCluster"])

    def instance(self, region: str, name: str, **more: Any) -> None:
        given = {
            "DBInstanceIdentifier": name,
            "DBClusterIdentifier": CLUSTERS[region],
            "DBInstanceClass": "db.r6g.large",
            "Engine": ENGINE["Engine"],
        }
        made = self.rds[region].create_db_instance(**given | more)["DBInstance"]
        assert (made["DBInstanceIdentifier"], made["DBInstanceStatus"]) == (name, "creating")

    def later(self) -> None:
        self.control("POST", "clock", {"advance": LATER})

    def describe(self, region: str = WEST, **wanted: Any) -> dict[str, Any]:
        return dict(self.rds[region].describe_global_clusters(**wanted)["GlobalClusters"][0])

    def roles(self, region: str = WEST) -> dict[str, tuple[bool, str]]:
        return {
            each["DBClusterArn"]: (each["IsWriter"], each["SynchronizationStatus"])
            for each in self.describe(region)["GlobalClusterMembers"]
        }

    def lag(self, region: str) -> list[float]:
        """All datapoints of the lag of a region's cluster."""
        start, end = self.aws_time(-3600), self.aws_time(3600)
        found = self.aws.client("cloudwatch", region).get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="AuroraGlobalDBRPOLag",
            Dimensions=[{"Name": "DBClusterIdentifier", "Value": CLUSTERS[region]}],
            StartTime=start,
            EndTime=end,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return [each["Maximum"] for each in found]

    def aws_time(self, seconds: float) -> Any:
        import datetime

        now = datetime.datetime.fromisoformat(self.control("GET", "clock")["now"])
        return now + datetime.timedelta(seconds=seconds)


@pytest.fixture
def empty(aws: Running, control: Control) -> Database:
    return Database(aws, control)


@pytest.fixture
def database(empty: Database) -> Database:
    """A primary with two instances and a headless secondary."""
    empty.primary()
    empty.instance(EAST, "east-1")
    empty.instance(EAST, "east-2")
    empty.secondary()
    empty.later()
    return empty


@pytest.fixture
def warm(database: Database) -> Database:
    """The same with a reader in the secondary."""
    database.instance(WEST, "west-1")
    database.later()
    return database


def refused(code: str, words: str, act: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        act(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert words in error["Message"], error


def test_first_cluster_is_the_writer_and_one_of_another_region_its_reader(database: Database) -> None:
    members = {each["DBClusterArn"]: each for each in database.describe()["GlobalClusterMembers"]}
    assert members[arn(EAST)]["IsWriter"]
    assert members[arn(EAST)]["Readers"] == [arn(WEST)]
    assert not members[arn(WEST)]["IsWriter"]
    secondary = database.rds[WEST].describe_db_clusters()["DBClusters"][0]
    assert secondary["ReplicationSourceIdentifier"] == arn(EAST)
    assert secondary["StorageEncrypted"]
    assert secondary["DatabaseName"] == "mlflow"
    assert secondary["DBClusterMembers"] == []


def test_instances_of_a_secondary_are_readers(warm: Database) -> None:
    members = {
        region: [each["IsClusterWriter"] for each in rds.describe_db_clusters()["DBClusters"][0]["DBClusterMembers"]]
        for region, rds in warm.rds.items()
    }
    assert sorted(members[EAST]) == [False, True]
    assert members[WEST] == [False]


def test_instance_takes_time_to_become_available(database: Database) -> None:
    database.instance(WEST, "west-1")

    def status() -> str:
        return str(database.rds[WEST].describe_db_instances()["DBInstances"][0]["DBInstanceStatus"])

    assert status() == "creating"
    database.later()
    assert status() == "available"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"MasterUserPassword": PASSWORD}, "InvalidParameterCombination", "Cannot specify password"),
        ({"MasterUsername": "other"}, "InvalidParameterCombination", "master user name"),
        ({"DatabaseName": "other"}, "InvalidParameterCombination", "database name"),
        ({"ManageMasterUserPassword": True}, "InvalidParameterCombination", "ManageMasterUserPassword"),
        ({"EngineVersion": "16.8"}, "InvalidParameterCombination", "must be the same"),
        ({"Engine": "aurora-mysql", "EngineVersion": "8.0"}, "InvalidParameterCombination", "engine"),
        ({"KmsKeyId": None}, "InvalidParameterCombination", "kmsKeyId"),
        ({"KmsKeyId": "alias/none"}, "KMSKeyNotAccessibleFault", "does not exist"),
        ({"DBClusterIdentifier": CLUSTERS[EAST]}, "InvalidParameterValue", "another region"),
        ({"GlobalClusterIdentifier": "other"}, "GlobalClusterNotFoundFault", "other"),
        ({"DBSubnetGroupName": "none"}, "DBSubnetGroupNotFoundFault", "none"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue", "retention"),
    ],
)
def test_secondary_that_aws_does_not_accept_is_refused(
    empty: Database, changes: dict[str, Any], code: str, words: str
) -> None:
    empty.primary()
    refused(code, words, empty.secondary, **changes)


def test_password_in_secrets_manager_is_refused_for_the_primary_too(empty: Database) -> None:
    refused("InvalidParameterCombination", "ManageMasterUserPassword", empty.primary, ManageMasterUserPassword=True)


def test_burstable_instance_is_refused(database: Database) -> None:
    refused(
        "InvalidParameterCombination",
        "db.t4g.medium",
        database.instance,
        **{"region": WEST, "name": "west-1", "DBInstanceClass": "db.t4g.medium"},
    )


def test_second_cluster_of_a_region_is_refused(database: Database) -> None:
    refused("InvalidParameterValue", "already has", database.secondary, DBClusterIdentifier="orders-west-2")


def test_describe_finds_a_global_cluster_by_member_and_by_name(database: Database) -> None:
    for filtered in ({"Name": "db-cluster-id", "Values": [arn(WEST)]}, {"Name": "region", "Values": [WEST]}):
        assert database.describe(Filters=[filtered])["GlobalClusterIdentifier"] == GLOBAL
    none = [{"Name": "db-cluster-id", "Values": ["arn:aws:rds:eu-west-1:123456789012:cluster:other"]}]
    assert database.rds[WEST].describe_global_clusters(Filters=none)["GlobalClusters"] == []
    refused(
        "GlobalClusterNotFoundFault",
        "other",
        database.rds[WEST].describe_global_clusters,
        GlobalClusterIdentifier="other",
    )


def test_switchover_swaps_the_roles_after_a_time(warm: Database) -> None:
    answer = warm.rds[EAST].switchover_global_cluster(
        GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(WEST)
    )["GlobalCluster"]
    assert answer["Status"] == answer["FailoverState"]["Status"] == "switching-over"
    assert answer["FailoverState"]["ToDbClusterArn"] == arn(WEST)
    assert warm.roles()[arn(EAST)] == (True, "connected")
    warm.later()
    assert warm.roles() == {arn(EAST): (False, "connected"), arn(WEST): (True, "connected")}
    assert "FailoverState" not in warm.describe()
    east, west = (warm.rds[region].describe_db_clusters()["DBClusters"][0] for region in (EAST, WEST))
    assert east["ReplicationSourceIdentifier"] == arn(WEST)
    assert "ReplicationSourceIdentifier" not in west
    assert [each["IsClusterWriter"] for each in west["DBClusterMembers"]] == [True]
    assert not any(each["IsClusterWriter"] for each in east["DBClusterMembers"])


def test_failover_promotes_without_the_lost_region_which_returns_as_a_secondary(warm: Database) -> None:
    warm.aws.emulator.faults.add(RegionFault(EAST, unreachable=True))
    assert warm.roles()[arn(WEST)] == (False, "pending-resync")
    warm.rds[WEST].failover_global_cluster(
        GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(WEST), AllowDataLoss=True
    )
    assert warm.describe()["FailoverState"]["IsDataLossAllowed"]
    warm.later()
    assert warm.roles() == {arn(EAST): (False, "pending-resync"), arn(WEST): (True, "connected")}
    warm.aws.emulator.faults.clear(EAST)
    assert warm.roles()[arn(EAST)] == (False, "pending-resync")
    snapshots = warm.rds[EAST].describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert any(
        each["DBClusterSnapshotIdentifier"].startswith(f"rds:unplanned-global-failover-{CLUSTERS[EAST]}-")
        for each in snapshots
    )
    warm.later()
    assert warm.roles()[arn(EAST)] == (False, "connected")


def test_promotions_that_aws_does_not_accept_are_refused(database: Database) -> None:
    west, east = database.rds[WEST], database.rds[EAST]
    given = {"GlobalClusterIdentifier": GLOBAL, "TargetDbClusterIdentifier": arn(WEST)}
    refused(
        "InvalidParameterCombination",
        "together",
        west.failover_global_cluster,
        **given | {"AllowDataLoss": True, "Switchover": True},
    )
    refused("InvalidDBClusterStateFault", "no DB instance", east.switchover_global_cluster, **given)
    refused(
        "InvalidDBClusterStateFault", "no DB instance", west.failover_global_cluster, **given | {"AllowDataLoss": True}
    )
    refused(
        "InvalidGlobalClusterStateFault",
        "is the primary",
        west.failover_global_cluster,
        **given | {"TargetDbClusterIdentifier": arn(EAST), "AllowDataLoss": True},
    )
    refused(
        "DBClusterNotFoundFault",
        "ARN",
        east.switchover_global_cluster,
        **given | {"TargetDbClusterIdentifier": CLUSTERS[WEST]},
    )
    database.instance(WEST, "west-1")
    refused("InvalidDBClusterStateFault", "no DB instance", east.switchover_global_cluster, **given)
    database.later()
    refused("InvalidGlobalClusterStateFault", EAST, west.switchover_global_cluster, **given)
    database.aws.emulator.faults.add(RegionFault(EAST, unreachable=True))
    refused("InvalidGlobalClusterStateFault", "AllowDataLoss", west.switchover_global_cluster, **given)
    refused("InvalidGlobalClusterStateFault", "AllowDataLoss", west.failover_global_cluster, **given)
    west.failover_global_cluster(**given, AllowDataLoss=True)
    refused(
        "InvalidGlobalClusterStateFault",
        "failing-over",
        west.failover_global_cluster,
        **given | {"AllowDataLoss": True},
    )


def test_switchover_is_cancelled_where_a_region_is_lost_meanwhile(warm: Database) -> None:
    warm.rds[EAST].switchover_global_cluster(GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arn(WEST))
    warm.aws.emulator.faults.add(RegionFault(EAST, unreachable=True))
    warm.later()
    assert "FailoverState" not in warm.describe()
    assert warm.roles()[arn(EAST)][0]


def test_members_leave_before_they_and_the_global_cluster_are_deleted(database: Database) -> None:
    west, east = database.rds[WEST], database.rds[EAST]
    east.modify_global_cluster(GlobalClusterIdentifier=GLOBAL, DeletionProtection=True)
    refused("InvalidParameterCombination", "protected", east.delete_global_cluster, GlobalClusterIdentifier=GLOBAL)
    east.modify_global_cluster(GlobalClusterIdentifier=GLOBAL, DeletionProtection=False)
    refused("InvalidGlobalClusterStateFault", "not empty", east.delete_global_cluster, GlobalClusterIdentifier=GLOBAL)
    refused(
        "InvalidDBClusterStateFault",
        "part of a global cluster",
        west.delete_db_cluster,
        **{"DBClusterIdentifier": CLUSTERS[WEST], "SkipFinalSnapshot": True},
    )
    refused(
        "InvalidGlobalClusterStateFault",
        "primary",
        east.remove_from_global_cluster,
        **{"GlobalClusterIdentifier": GLOBAL, "DbClusterIdentifier": arn(EAST)},
    )
    west.remove_from_global_cluster(GlobalClusterIdentifier=GLOBAL, DbClusterIdentifier=arn(WEST))
    assert list(database.roles()) == [arn(EAST)]
    refused(
        "InvalidParameterValue",
        "is not found in global cluster",
        west.remove_from_global_cluster,
        **{"GlobalClusterIdentifier": GLOBAL, "DbClusterIdentifier": arn(WEST)},
    )
    west.delete_db_cluster(DBClusterIdentifier=CLUSTERS[WEST], SkipFinalSnapshot=True)
    east.remove_from_global_cluster(GlobalClusterIdentifier=GLOBAL, DbClusterIdentifier=arn(EAST))
    east.delete_global_cluster(GlobalClusterIdentifier=GLOBAL)
    assert east.describe_global_clusters()["GlobalClusters"] == []


def test_upgrade_of_the_global_cluster_upgrades_its_members(empty: Database) -> None:
    rds = empty.rds[EAST]
    rds.delete_global_cluster(GlobalClusterIdentifier=GLOBAL)
    old = {"Engine": "aurora-postgresql", "EngineVersion": "16.8"}
    rds.create_global_cluster(GlobalClusterIdentifier=GLOBAL, StorageEncrypted=True, **old)
    empty.primary(**old)
    refused(
        "InvalidParameterCombination",
        "AllowMajorVersionUpgrade",
        rds.modify_global_cluster,
        **{"GlobalClusterIdentifier": GLOBAL, "EngineVersion": "17.7"},
    )
    rds.modify_global_cluster(GlobalClusterIdentifier=GLOBAL, EngineVersion="17.7", AllowMajorVersionUpgrade=True)
    assert rds.describe_db_clusters()["DBClusters"][0]["EngineVersion"] == "17.7"


def test_password_of_a_secondary_cannot_be_changed(database: Database) -> None:
    refused(
        "InvalidParameterCombination",
        "Cannot specify password",
        database.rds[WEST].modify_db_cluster,
        **{"DBClusterIdentifier": CLUSTERS[WEST], "MasterUserPassword": "other-password"},
    )


def test_new_password_is_applied_after_a_time_in_which_the_cluster_takes_no_other_change(database: Database) -> None:
    def described() -> tuple[str, str]:
        (found,) = database.rds[EAST].describe_db_clusters(DBClusterIdentifier=CLUSTERS[EAST])["DBClusters"]
        return found["Status"], found.get("PendingModifiedValues", {}).get("MasterUserPassword", "")

    def accepted() -> str:
        held = credentials(rds_backends["123456789012"][EAST].clusters[CLUSTERS[EAST]])
        assert held
        return held[1]

    change = {"DBClusterIdentifier": CLUSTERS[EAST], "MasterUserPassword": "other-password"}
    database.rds[EAST].modify_db_cluster(**change)
    assert (described(), accepted()) == (("resetting-master-credentials", "****"), PASSWORD)
    refused("InvalidDBClusterStateFault", "not in available state", database.rds[EAST].modify_db_cluster, **change)

    database.later()
    assert (described(), accepted()) == (("available", ""), "other-password")


def test_lag_is_published_in_the_secondary_region_alone_and_follows_the_fault(database: Database) -> None:
    assert 0 < max(database.lag(WEST)) < 1000
    assert database.lag(EAST) == []
    database.aws.emulator.faults.add(DatabaseFault(WEST, lag=90))
    database.later()
    assert max(database.lag(WEST)) == 90_000
    before = len(database.lag(WEST))
    database.aws.emulator.faults.add(RegionFault(EAST, unreachable=True))
    database.later()
    assert len(database.lag(WEST)) == before


def test_restored_cluster_is_no_member(database: Database) -> None:
    rds = database.rds[EAST]
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="before", DBClusterIdentifier=CLUSTERS[EAST])
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="restored", SnapshotIdentifier="before", Engine=ENGINE["Engine"]
    )
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="earlier", SourceDBClusterIdentifier=CLUSTERS[EAST], UseLatestRestorableTime=True
    )
    assert set(database.roles()) == {arn(EAST), arn(WEST)}
    restored = rds.describe_db_clusters(DBClusterIdentifier="restored")["DBClusters"][0]
    assert "GlobalClusterIdentifier" not in restored


def test_versions_that_support_global_databases_are_listed(aws: Running) -> None:
    found = aws.client("rds", EAST).describe_db_engine_versions(Engine="aurora-postgresql")["DBEngineVersions"]
    assert all(each["SupportsGlobalDatabases"] for each in found)
    assert ENGINE["EngineVersion"] in [each["EngineVersion"] for each in found]


def test_snapshot_is_exported_to_s3_by_a_role(database: Database) -> None:
    aws, rds = database.aws, database.rds[EAST]
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="before", DBClusterIdentifier=CLUSTERS[EAST])
    aws.client("s3", EAST).create_bucket(Bucket="exports")
    iam = aws.client("iam", EAST)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "export.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = iam.create_role(RoleName="export", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    given = {
        "ExportTaskIdentifier": "export-1",
        "SourceArn": f"arn:aws:rds:{EAST}:123456789012:cluster-snapshot:before",
        "S3BucketName": "exports",
        "S3Prefix": "databases",
        "IamRoleArn": role,
        "KmsKeyId": database.keys[EAST],
    }
    refused("IamRoleMissingPermissions", "s3:PutObject", rds.start_export_task, **given)
    allow = {"Effect": "Allow", "Action": ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    iam.put_role_policy(RoleName="export", PolicyName="export", PolicyDocument=json.dumps(policy))
    refused("InvalidS3BucketFault", "other", rds.start_export_task, **given | {"S3BucketName": "other"})
    refused("KMSKeyNotAccessibleFault", "does not exist", rds.start_export_task, **given | {"KmsKeyId": "alias/none"})
    assert rds.start_export_task(**given)["Status"] == "STARTING"
    assert rds.describe_export_tasks()["ExportTasks"][0]["Status"] == "IN_PROGRESS"
    database.control("POST", "clock", {"advance": 1800})
    assert rds.describe_export_tasks(ExportTaskIdentifier="export-1")["ExportTasks"][0]["Status"] == "COMPLETE"
    listed = aws.client("s3", EAST).list_objects_v2(Bucket="exports")["Contents"]
    assert [each["Key"] for each in listed] == ["databases/export-1/export_info_export-1.json"]
