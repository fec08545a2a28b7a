"""`dr export-database` over the emulator: once for each snapshot, continued, and with each thing that stops it."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from dr.control import contract
from dr.control.control_bucket import read_half
from dr.data import database_export
from dr.data.regions import place_of
from dr.errors import Exit, Failed
from dr.topology.topology import Role
from sandbox import timings
from sandbox.aws.faults import parse
from sandbox.server import Running
from tests.support.builders import DNS, half, topology
from tests.support.databases import ENGINE, HOME, SIZE, VERSION, Database, arn
from tests.support.sets import PRIMARY, RECOVERY, Regions, bucket, run, text

ROLE = "ml-dr-database-export"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "export.rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


class Place:
    """Both regions with buckets, a database in the primary one, and the contract.

    Args:
        aws: The emulator.
    """

    def __init__(self, aws: Running) -> None:
        self.aws, self.s3 = aws, Regions(aws).s3
        self.keys = {
            region: aws.client("kms", region).create_key()["KeyMetadata"]["Arn"] for region in (PRIMARY, RECOVERY)
        }
        iam = aws.client("iam", PRIMARY)
        self.role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        allow = {"Effect": "Allow", "Action": ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_role_policy(RoleName=ROLE, PolicyName="export", PolicyDocument=policy)
        self.database = Database(aws)
        self.database.east.create_db_cluster(
            DBClusterIdentifier=HOME,
            Engine=ENGINE,
            EngineVersion=VERSION,
            MasterUsername="registry",
            MasterUserPassword="a-password-of-a-test",
        )
        self.publish()

    def publish(self, database: bool = True) -> None:
        """Write the contract into both control buckets, with the database or without it."""
        common = {"global_cluster": "ml-dr", "engine_version": VERSION, "instance_class": SIZE}
        home = {"cluster": HOME, "arn": arn(PRIMARY, HOME), "key": self.keys[PRIMARY], "export_role": self.role}
        # A tier without a replica.
        away = {"cluster": "", "arn": "", "key": self.keys[RECOVERY]}
        for role, record in {Role.PRIMARY: home, Role.RECOVERY: away}.items():
            made = half(role, dns=DNS, database={**common, **record} if database else None)
            for region in (PRIMARY, RECOVERY):
                self.s3[region].put_object(
                    Bucket=bucket(region, "control"), Key=contract.key_of(role), Body=json.dumps(made.to_dict())
                )

    def snapshot(self, name: str = "taken") -> None:
        self.database.east.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=HOME)

    def tasks(self, region: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.aws.client("rds", region).describe_export_tasks()["ExportTasks"]
        return listed

    def exported(self, region: str) -> list[str]:
        listed = self.s3[region].list_objects_v2(Bucket=bucket(region, "registry"), Prefix="databases/")
        return [each["Key"] for each in listed.get("Contents", ())]


@pytest.fixture
def place(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(timings.SPEED_VARIABLE, "1000000")
    return Place(aws)


def test_newest_snapshot_is_exported_once_to_the_registry_bucket_encrypted_with_the_key_of_the_region(
    place: Place,
) -> None:
    place.snapshot("older")
    place.snapshot("newer")
    code, planned = run("export-database")
    assert (code, planned["executed"], planned["snapshot"], place.tasks(PRIMARY)) == (Exit.OK, False, "newer", [])
    assert "not started" in text("export-database")

    code, done = run("export-database", "--yes")
    assert (code, done["status"], done["objects"]) == (Exit.OK, "COMPLETE", 1)
    (key,) = place.exported(PRIMARY)
    assert key == f"{done['prefix']}export_info_{done['task']}.json"
    head = place.s3[PRIMARY].head_object(Bucket=bucket(PRIMARY, "registry"), Key=key)
    assert head["SSEKMSKeyId"] == place.keys[PRIMARY]
    (task,) = place.tasks(PRIMARY)
    assert (task["SourceArn"].rpartition(":")[2], task["IamRoleArn"]) == ("newer", place.role)

    assert run("export-database", "--yes")[1] == done, "exported once"
    assert len(place.tasks(PRIMARY)) == 1
    assert run("export-database", "--again", "--yes")[1]["task"] != done["task"]


def test_a_task_that_an_interrupted_command_started_is_followed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.snapshot()
    monkeypatch.setenv(timings.SPEED_VARIABLE, "1")
    planned = run("export-database")[1]
    boto3.client("rds", PRIMARY).start_export_task(
        ExportTaskIdentifier="by-hand",
        SourceArn=f"arn:aws:rds:{PRIMARY}:123456789012:cluster-snapshot:{planned['snapshot']}",
        S3BucketName=planned["bucket"],
        S3Prefix="databases",
        IamRoleArn=planned["role"],
        KmsKeyId=planned["key"],
    )
    assert run("export-database")[1]["status"] == "IN_PROGRESS"
    monkeypatch.setenv(timings.SPEED_VARIABLE, "1000000")

    assert run("export-database", "--yes")[1]["task"] == "by-hand"
    assert len(place.tasks(PRIMARY)) == 1


def test_copy_in_the_recovery_region_is_exported_there_while_the_primary_region_is_lost(place: Place) -> None:
    place.database.copy_snapshot()
    place.aws.emulator.faults.add(parse({"kind": "region", "region": PRIMARY, "unreachable": True}))

    code, done = run("export-database", "--region", RECOVERY, "--yes")
    assert (code, done["snapshot"], done["key"]) == (Exit.OK, "copied", place.keys[RECOVERY])
    assert len(place.exported(RECOVERY)) == 1


def test_region_without_a_snapshot_and_deployment_without_a_database_are_refused(place: Place) -> None:
    code, answer = run("export-database", "--region", RECOVERY, "--yes")
    assert (code, "us-west-2 has no snapshot of ml-dr-primary" in json.dumps(answer)) == (Exit.REFUSED, True)
    assert "create-db-cluster-snapshot" not in json.dumps(answer), "the region has no cluster"

    place.publish(database=False)
    code, answer = run("export-database", "--yes")
    assert (code, "has no database with a role for exports" in json.dumps(answer)) == (Exit.REFUSED, True)


@pytest.mark.parametrize(("broken", "message"), [("permission", "s3:PutObject"), ("key", "is disabled")])
def test_what_rds_refuses_is_shown_and_no_task_is_left(place: Place, broken: str, message: str) -> None:
    place.snapshot()
    if broken == "permission":
        place.aws.client("iam", PRIMARY).delete_role_policy(RoleName=ROLE, PolicyName="export")
    else:
        place.aws.client("kms", PRIMARY).disable_key(KeyId=place.keys[PRIMARY])
    code, answer = run("export-database", "--yes")

    assert (code, message in json.dumps(answer)) == (Exit.FAILED, True), answer
    assert place.tasks(PRIMARY) == []


def test_a_task_that_was_cancelled_fails_the_command_that_follows_it_and_the_next_one_starts_another(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.snapshot()
    monkeypatch.setenv(timings.SPEED_VARIABLE, "1")
    here = place_of(topology())
    written = read_half(here.region, here.buckets["control"], Role.PRIMARY)
    assert written
    found = database_export.plan(here, written.database, written.database, "ml-dr", again=False)

    def cancel(text: str, share: float | None) -> None:
        place.aws.client("rds", PRIMARY).cancel_export_task(ExportTaskIdentifier=found.next_id)

    with pytest.raises(Failed, match="CANCELED"):
        database_export.execute(found, cancel)

    monkeypatch.setenv(timings.SPEED_VARIABLE, "1000000")
    done = run("export-database", "--yes")[1]
    assert (done["status"], done["task"] != found.next_id) == ("COMPLETE", True)
