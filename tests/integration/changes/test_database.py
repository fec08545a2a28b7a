"""The global database with the real engine: what is deployed, and what an update does after its roles were swapped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dr.control.contract import DatabaseRecord
from tests.support.dr_command import dr
from tests.support.network import EAST, WEST
from tests.support.sandbox import STACKS, SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

GLOBAL, MOVED = "ml-dr", "ml-dr-recovery-incident"
"""The global cluster, and the instance that an operation adds to the headless cluster."""


def record(sandbox: SandboxUnderTest, stack: str) -> DatabaseRecord:
    return DatabaseRecord.of(sandbox.engine.outputs(stack)["contract"]["database"])


def members(sandbox: SandboxUnderTest) -> dict[str, tuple[bool, str]]:
    """Whether each region's cluster is the writer, and its synchronization."""
    world = sandbox.client("rds", WEST).describe_global_clusters(GlobalClusterIdentifier=GLOBAL)["GlobalClusters"][0]
    return {
        each["DBClusterArn"].split(":")[3]: (each["IsWriter"], each["SynchronizationStatus"])
        for each in world["GlobalClusterMembers"]
    }


def login(sandbox: SandboxUnderTest, region: str) -> dict[str, Any]:
    """The login of the database, as a region has it."""
    answer = sandbox.client("secretsmanager", region).get_secret_value(SecretId=record(sandbox, "primary").secret)
    return dict(json.loads(answer["SecretString"]))


def promoted(sandbox: SandboxUnderTest, region: str) -> bool:
    found = members(sandbox)
    return found[region][0] and {status for _, status in found.values()} == {"connected"}


def unchanged(sandbox: SandboxUnderTest) -> None:
    """Assert that a refresh and an update of both stacks change nothing and detach nothing."""
    before = members(sandbox)
    assert set(before) == {EAST, WEST}
    for stack in STACKS:
        since = sandbox.mark()
        planned = sandbox.engine.preview(stack, refresh=True)
        assert planned.none, planned.changed
        done = sandbox.engine.up(stack, refresh=True)
        assert done.none, done.changed
        calls = sandbox.operations(since)
        assert not [
            name
            for name in calls
            if name.startswith("rds:") and not name.startswith("rds:Describe") and name != "rds:ListTagsForResource"
        ], calls
    assert members(sandbox) == before


def test_database_is_deployed_in_both_regions_and_reached_from_the_clusters_alone(
    deployed: SandboxUnderTest,
) -> None:
    east, west = (deployed.client("rds", region) for region in (EAST, WEST))
    primary, replica = record(deployed, "primary"), record(deployed, "dr")
    (writer,), (secondary,) = (client.describe_db_clusters()["DBClusters"] for client in (east, west))

    assert members(deployed) == {EAST: (True, "connected"), WEST: (False, "connected")}
    assert [len(each["DBClusterMembers"]) for each in (writer, secondary)] == [2, 0]
    assert all(each["StorageEncrypted"] and each["IAMDatabaseAuthenticationEnabled"] for each in (writer, secondary))
    assert (writer["KmsKeyId"].split(":")[3], secondary["KmsKeyId"].split(":")[3]) == (EAST, WEST)
    assert writer["DeletionProtection"]
    assert [each["PubliclyAccessible"] for each in east.describe_db_instances()["DBInstances"]] == [False, False]
    assert (primary.arn, replica.arn) == (writer["DBClusterArn"], secondary["DBClusterArn"])
    assert (primary.endpoint, replica.instances) == (writer["Endpoint"], ())
    for region, each in ((EAST, primary), (WEST, replica)):
        ec2, eks = deployed.client("ec2", region), deployed.client("eks", region)
        cluster = eks.describe_cluster(name=eks.list_clusters()["clusters"][0])["cluster"]["resourcesVpcConfig"]
        rules = ec2.describe_security_groups(GroupIds=list(each.security_groups))["SecurityGroups"][0]["IpPermissions"]
        sources = [(pair["GroupId"], rule["FromPort"]) for rule in rules for pair in rule["UserIdGroupPairs"]]
        assert sources == [(cluster["clusterSecurityGroupId"], 5432)]
        found = login(deployed, region)
        assert (found["username"], len(found["password"])) == ("mlflow", 32)


def test_updates_change_nothing_after_a_switchover_a_rotation_of_the_login_and_a_failover(
    deployed: SandboxUnderTest,
) -> None:
    east, west = (deployed.client("rds", region) for region in (EAST, WEST))
    arns = {EAST: record(deployed, "primary").arn, WEST: record(deployed, "dr").arn}

    def instances() -> list[dict[str, Any]]:
        return list(west.describe_db_instances()["DBInstances"])

    west.create_db_instance(
        DBInstanceIdentifier=MOVED,
        DBClusterIdentifier="ml-dr-recovery",
        DBInstanceClass="db.r6g.large",
        Engine="aurora-postgresql",
    )
    try:
        wait_for(lambda: instances()[0]["DBInstanceStatus"] == "available")
        east.switchover_global_cluster(GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arns[WEST])
        wait_for(lambda: promoted(deployed, WEST))
        first = login(deployed, WEST)
        # The database writes in the other region than the secret.
        code, rotated = dr(deployed, "rotate-secret", "--yes")
        assert (code, rotated["cluster"], rotated["region"]) == (0, "ml-dr-recovery", EAST)
        assert first["password"] not in json.dumps(rotated)
        second = login(deployed, WEST)
        assert second == login(deployed, EAST)
        assert {**second, "password": first["password"]} == first
        assert second != first
        unchanged(deployed)
        assert login(deployed, WEST) == second

        # The provider finds no global cluster for a moment: cloudposse/terraform-aws-rds-cluster issue 281.
        deployed.fault(kind="operation", operation="rds:DescribeGlobalClusters", error="GlobalClusterNotFoundFault")
        since = deployed.mark()
        deployed.engine.up("dr", refresh=True)
        assert deployed.operations(since)["rds:RemoveFromGlobalCluster"] == 0
        deployed.repair()
        deployed.engine.up("dr", refresh=True)
        unchanged(deployed)

        east.failover_global_cluster(
            GlobalClusterIdentifier=GLOBAL, TargetDbClusterIdentifier=arns[EAST], AllowDataLoss=True
        )
        wait_for(lambda: promoted(deployed, EAST))
        unchanged(deployed)
    finally:
        deployed.repair()
        west.delete_db_instance(DBInstanceIdentifier=MOVED)
