"""Copies that the deployed plans make, restored in the recovery region: by the drill, and by RDS with their rows."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import dns.resolver
import pytest

from dr.pods.copy_registry import back_up
from sandbox.databases import programs
from sandbox.emulator_client import ask
from tests.support import velero
from tests.support.databases import AWAY, ENGINE, HOME, SIZE
from tests.support.deployment import stacks
from tests.support.dr_command import dr
from tests.support.network import EAST, WEST
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

CLASSES = ("objects", "volumes", "databases")
HOURLY = [{"data": each, "everyHours": 1} for each in CLASSES]
PREFIX = "ml-dr-123456789012"
COPIES = "ml-dr-backups"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL documentation, "Message Formats", SSLRequest."""
ROWS = "create table kept (id serial primary key); insert into kept select generate_series(1, 500)"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """Both stacks with hourly backups and restore tests."""
    with stacks(tmp_path_factory, backups=HOURLY, restoreTests="weekly") as sandbox:
        yield sandbox


def points(sandbox: SandboxUnderTest) -> dict[str, dict[str, Any]]:
    """Return the newest recovery point of each type in the recovery region's vault."""
    backup = sandbox.client("backup", WEST)
    found = backup.list_recovery_points_by_backup_vault(BackupVaultName=COPIES)["RecoveryPoints"]
    return {each["ResourceType"]: each for each in sorted(found, key=lambda each: each["CreationDate"])}


def volumes(sandbox: SandboxUnderTest) -> set[str]:
    return {each["VolumeId"] for each in sandbox.client("ec2", WEST).describe_volumes()["Volumes"]}


def clusters(sandbox: SandboxUnderTest) -> set[str]:
    return {each["DBClusterIdentifier"] for each in sandbox.client("rds", WEST).describe_db_clusters()["DBClusters"]}


def buckets(sandbox: SandboxUnderTest) -> set[str]:
    return {each["Name"] for each in sandbox.client("s3", WEST).list_buckets()["Buckets"]}


@pytest.fixture(scope="module")
def copied(deployment: SandboxUnderTest) -> SandboxUnderTest:
    """The sandbox after an hour in which everything was backed up by what is deployed."""
    make_volume(deployment)
    if not programs.lacking():
        connect(deployment)
        run_sql(deployment, EAST, HOME, ROWS)
    deployment.advance(62)
    return deployment


@pytest.fixture
def inside(copied: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> SandboxUnderTest:
    """The same sandbox, with its environment variables set."""
    for name, value in copied.engine.variables.items():
        monkeypatch.setenv(name, value)
    return copied


def make_volume(sandbox: SandboxUnderTest, **changes: str) -> str:
    """Create a volume that the plans select, and return its ID."""
    tags = {"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "enabled"}]}
    wanted = {"AvailabilityZone": f"{EAST}a", "Size": 20, "VolumeType": "gp3", "TagSpecifications": [tags]}
    return str(sandbox.client("ec2", EAST).create_volume(**wanted, Encrypted=True, **changes)["VolumeId"])


def connect(sandbox: SandboxUnderTest) -> None:
    """Connect to the endpoint of the primary region's database, as its first client: its server runs from then on."""
    (found,) = sandbox.client("rds", EAST).describe_db_clusters(DBClusterIdentifier=HOME)["DBClusters"]
    resolver = dns.resolver.Resolver(configure=False)
    host, _, port = sandbox.server.resolver.partition(":")
    resolver.nameservers, resolver.port = [host], int(port)
    address = str(resolver.resolve(found["Endpoint"], "A")[0])
    with socket.create_connection((address, found["Port"])) as connection:
        connection.sendall(SSL_REQUEST)
        assert connection.recv(1) == b"S"


def run_sql(sandbox: SandboxUnderTest, region: str, cluster: str, text: str) -> str:
    content = {"region": region, "cluster": cluster, "sql": text}
    return str(ask(sandbox.server, "POST", "databases", content)["output"])


def test_drill_is_met_by_the_copies_of_the_deployed_plans_and_leaves_nothing(
    inside: SandboxUnderTest,
) -> None:
    velero.back_up(inside)
    inside.client("s3", EAST).put_object(Bucket=f"{PREFIX}-{EAST}-registry", Key="mlflow/1/model", Body=b"weights")
    back_up(EAST, f"{PREFIX}-{EAST}-registry")
    inside.advance(2)
    before = volumes(inside), clusters(inside), buckets(inside)
    code, found = dr(inside, "drill", "backup-restore")

    assert (code, found["verdict"]) == (0, "met"), found
    measured = {each["name"]: each["measured"] for each in found["judgements"]}
    restored = {name.removesuffix(" restored") for name in measured if name.endswith(" restored")}
    assert restored == {*CLASSES, "registry", "cluster objects"}
    assert measured["databases restored"].startswith(f"Aurora {HOME}: Aurora PostgreSQL")
    assert (volumes(inside), clusters(inside), buckets(inside)) == before
    jobs = inside.client("backup", WEST).list_restore_jobs()["RestoreJobs"]
    assert {each["ResourceType"]: each["Status"] for each in jobs} == dict.fromkeys(
        ("S3", "EBS", "Aurora"), "COMPLETED"
    )
    _, checked = dr(inside, "check")
    states = {each["name"]: each["status"] for each in checked["findings"]}
    assert {states[f"copies of {each} in {WEST}"] for each in CLASSES} == {"met"}


def test_restore_tests_of_databases_name_the_subnets_of_the_recovery_region(copied: SandboxUnderTest) -> None:
    backup, rds = copied.client("backup", WEST), copied.client("rds", WEST)
    (plan,) = backup.list_restore_testing_plans()["RestoreTestingPlans"]
    name = {"RestoreTestingPlanName": plan["RestoreTestingPlanName"]}
    selection = backup.get_restore_testing_selection(**name, RestoreTestingSelectionName="aurora")
    (group,) = rds.describe_db_subnet_groups()["DBSubnetGroups"]
    (replica,) = rds.describe_db_clusters(DBClusterIdentifier=AWAY)["DBClusters"]

    overrides = selection["RestoreTestingSelection"]["RestoreMetadataOverrides"]
    assert overrides["dbSubnetGroupName"] == group["DBSubnetGroupName"]
    groups = [each["VpcSecurityGroupId"] for each in replica["VpcSecurityGroups"]]
    assert json.loads(overrides["vpcSecurityGroupIds"]) == groups


@pytest.mark.skipif(bool(programs.lacking()), reason=f"not run: {programs.lacking()}")
def test_rows_of_the_database_are_in_a_cluster_that_is_restored_from_the_copy(copied: SandboxUnderTest) -> None:
    rds = copied.client("rds", WEST)
    snapshot = points(copied)["Aurora"]["RecoveryPointArn"]
    run_sql(copied, EAST, HOME, "insert into kept values (501)")
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="again", SnapshotIdentifier=snapshot, Engine=ENGINE)
    rds.create_db_instance(
        DBInstanceIdentifier="again-1", DBClusterIdentifier="again", Engine=ENGINE, DBInstanceClass=SIZE
    )

    assert run_sql(copied, WEST, "again", "select count(*), max(id) from kept").strip() == "500|500"


def test_a_volume_that_is_not_copied_is_late_although_others_are(inside: SandboxUnderTest) -> None:
    kms = inside.client("kms", EAST)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    volume = make_volume(inside, KmsKeyId=key)
    kms.disable_key(KeyId=key)
    inside.advance(5 * 60)
    _, checked = dr(inside, "check")

    found = {each["name"]: each for each in checked["findings"]}
    states = {each: found[f"copies of {each} in {WEST}"]["status"] for each in CLASSES}
    assert states == dict.fromkeys(CLASSES, "met") | {"volumes": "missed"}
    assert f"but 1 of 2 late: {volume} (none in " in found[f"copies of volumes in {WEST}"]["measured"]
