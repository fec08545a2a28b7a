"""Restores and restore tests of Aurora clusters by AWS Backup, in the region of the copy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.server import Running
from tests.sandbox.aws.test_cluster_snapshots import CLUSTER, WEST, Backups, Control
from tests.sandbox.aws.test_extensions_backup import refusal
from tests.sandbox.aws.test_extensions_backup_restores import POLICIES
from tests.support.waiting import wait_for

RESTORED = "restored"


class Place(Backups):
    """A copy of an encrypted cluster, and subnets and a security group for what is restored."""

    def __init__(self, aws: Running, control: Control) -> None:
        super().__init__(aws, control)
        for policy in POLICIES:
            aws.client("iam", WEST).attach_role_policy(RoleName="backup", PolicyArn=policy)
        self.rds["us-east-1"].modify_db_cluster(DBClusterIdentifier=CLUSTER, DeletionProtection=True)
        self.ec2 = aws.client("ec2", WEST)
        subnets = [each["SubnetId"] for each in self.ec2.describe_subnets()["Subnets"]]
        self.rds[WEST].create_db_subnet_group(
            DBSubnetGroupName="data", DBSubnetGroupDescription="data", SubnetIds=subnets
        )
        self.group = self.ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        self.opt_in()
        self.run()
        (self.point,) = self.points(WEST)

    @property
    def where(self) -> dict[str, str]:
        return {"dbSubnetGroupName": "data", "vpcSecurityGroupIds": json.dumps([self.group])}

    def start(self, **changes: str) -> str:
        metadata = {"DBClusterIdentifier": RESTORED, "Engine": "aurora-postgresql", **self.where, **changes}
        arn = self.point["RecoveryPointArn"]
        started = self.backup[WEST].start_restore_job(RecoveryPointArn=arn, IamRoleArn=self.role, Metadata=metadata)
        return str(started["RestoreJobId"])

    def ended(self, job: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            return dict(self.backup[WEST].describe_restore_job(RestoreJobId=job))

        wait_for(lambda: look()["Status"] in ("COMPLETED", "FAILED"), interval_seconds=0.2)
        return look()

    def clusters(self) -> dict[str, dict[str, Any]]:
        found = self.rds[WEST].describe_db_clusters()["DBClusters"]
        return {each["DBClusterIdentifier"]: each for each in found}

    def remove_default_vpc(self) -> None:
        (vpc,) = self.ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"]
        self.rds[WEST].delete_db_subnet_group(DBSubnetGroupName="data")
        for each in self.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]:
            self.ec2.delete_subnet(SubnetId=each["SubnetId"])
        self.ec2.delete_vpc(VpcId=vpc["VpcId"])


@pytest.fixture
def place(aws: Running, control: Control) -> Place:
    return Place(aws, control)


def test_a_cluster_is_restored_from_its_copy_without_an_instance_and_without_protection(place: Place) -> None:
    job = place.ended(place.start())

    arn = f"arn:aws:rds:{WEST}:123456789012:cluster:{RESTORED}"
    assert (job["Status"], job["CreatedResourceArn"]) == ("COMPLETED", arn), job
    made = place.clusters()[RESTORED]
    assert (made["Status"], made["Engine"], made["EngineVersion"]) == ("available", "aurora-postgresql", "17.7")
    assert (made["StorageEncrypted"], made["KmsKeyId"]) == (True, place.keys[WEST])
    assert (made["DBSubnetGroup"], made["VpcSecurityGroups"][0]["VpcSecurityGroupId"]) == ("data", place.group)
    assert (made["DBClusterMembers"], made["DeletionProtection"]) == ([], False)
    place.rds[WEST].delete_db_cluster(DBClusterIdentifier=RESTORED, SkipFinalSnapshot=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dbSubnetGroupName": "absent"}, "DB subnet group 'absent' does not exist"),
        ({"vpcSecurityGroupIds": '["sg-0"]'}, "The security group 'sg-0' does not exist"),
        ({"KmsKeyId": "arn:aws:kms:us-west-2:123456789012:key/absent"}, "NotFoundException"),
    ],
    ids=["subnets", "group", "key"],
)
def test_a_job_that_rds_refuses_fails_with_its_message(place: Place, changes: dict[str, str], message: str) -> None:
    job = place.ended(place.start(**changes))

    assert (job["Status"], message in job["StatusMessage"]) == ("FAILED", True), job
    assert place.clusters() == {}


def test_a_name_that_is_taken_and_metadata_without_an_engine_are_refused(place: Place) -> None:
    place.ended(place.start())
    again = place.ended(place.start())

    assert (again["Status"], "already exists" in again["StatusMessage"]) == ("FAILED", True)
    code, message = refusal(lambda: place.start(Engine=""))
    assert (code, "lacks Engine" in message) == ("InvalidParameterValueException", True)


def plan(place: Place, overrides: dict[str, str]) -> dict[str, Any]:
    """Test the newest copy of the cluster, and return the job."""
    points = {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"], "RecoveryPointTypes": ["SNAPSHOT"]}
    name, backup = {"RestoreTestingPlanName": "copies"}, place.backup[WEST]
    document = {**name, "RecoveryPointSelection": points, "ScheduleExpression": "cron(30 * * * ? *)"}
    backup.create_restore_testing_plan(RestoreTestingPlan=document)
    selection = {
        **{"RestoreTestingSelectionName": "aurora", "ProtectedResourceType": "Aurora"},
        **{"ProtectedResourceArns": ["*"], "IamRoleArn": place.role, "ValidationWindowHours": 1},
        "RestoreMetadataOverrides": overrides,
    }
    backup.create_restore_testing_selection(**name, RestoreTestingSelection=selection)
    place.control("POST", "clock", {"advance": 3600})
    (job,) = backup.list_restore_jobs(ByResourceType="Aurora")["RestoreJobs"]
    return dict(job)


def test_a_restore_test_uses_the_named_subnets_and_deletes_the_cluster_after_its_window(place: Place) -> None:
    job = plan(place, place.where)

    assert (job["Status"], job["ValidationStatus"]) == ("COMPLETED", "VALIDATING"), job
    name = job["CreatedResourceArn"].rpartition(":")[2]
    made = place.clusters()[name]
    assert name.startswith("awsbackup-restore-test-")
    assert (made["DBSubnetGroup"], [each["Key"] for each in made["TagList"]]) == ("data", ["awsbackup-restore-test"])
    place.backup[WEST].delete_restore_testing_selection(
        RestoreTestingPlanName="copies", RestoreTestingSelectionName="aurora"
    )
    place.control("POST", "clock", {"advance": 3600})
    after = place.backup[WEST].describe_restore_job(RestoreJobId=job["RestoreJobId"])
    assert (after["ValidationStatus"], after["DeletionStatus"]) == ("TIMED_OUT", "SUCCESSFUL")
    assert place.clusters() == {}


def test_a_restore_test_without_subnets_fails_where_the_account_has_no_default_vpc(place: Place) -> None:
    place.remove_default_vpc()
    job = plan(place, {})

    assert (job["Status"], "us-west-2 has no default VPC" in job["StatusMessage"]) == ("FAILED", True), job
