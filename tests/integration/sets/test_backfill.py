"""`dr backfill` against the emulator: existing objects, a lost replica, failures, and a command that was killed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from components.iam import EncryptedBucket, fill_replicas, trust_service
from dr import clients
from dr.data import batch_jobs
from dr.data.batch_jobs import Ended, Wanted
from dr.data.model_sets import Report
from dr.errors import Exit
from sandbox.aws.behaviours.replication import Replicator
from tests.support.buckets import Pair, make_bucket
from tests.support.sets import PRIMARY, RECOVERY, Regions, bucket, run, text

SOURCE, REPLICA = bucket(PRIMARY, "datasets"), bucket(RECOVERY, "datasets")
KEY = "arn:aws:kms:us-east-1:123456789012:key/one"


@pytest.fixture(autouse=True)
def _in_sandbox(regions: Regions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach S3 Control as in a sandbox's shell, with the role that the primary stack creates."""
    monkeypatch.setenv(clients.IN_SANDBOX, "yes")
    monkeypatch.setenv("AWS_ENDPOINT_URL", regions.aws.endpoint)
    clients.forget()
    iam = regions.aws.client("iam", PRIMARY)
    trust = trust_service("batchoperations.s3.amazonaws.com")
    iam.create_role(RoleName="ml-dr-backfill", AssumeRolePolicyDocument=trust)
    reports = [EncryptedBucket(bucket(region, "control"), region, KEY) for region in (PRIMARY, RECOVERY)]
    policy = fill_replicas([SOURCE, REPLICA], reports)
    iam.put_role_policy(RoleName="ml-dr-backfill", PolicyName="fills", PolicyDocument=policy)


@pytest.fixture
def existing(regions: Regions) -> dict[str, str]:
    """Objects from before replication, with their hashes."""
    regions.stop_replication()
    for number in range(20):
        regions.s3[PRIMARY].put_object(Bucket=SOURCE, Key=f"train/{number:02}.csv", Body=f"row {number}".encode())
    regions.s3[PRIMARY].put_object(Bucket=SOURCE, Key="train/00.csv", Body=b"newer")
    regions.replicate()
    return hashes(regions, PRIMARY)


def hashes(regions: Regions, region: str) -> dict[str, str]:
    """Read every version of the pair's bucket by boto3; return hashes by key and version ID."""
    s3, name = regions.s3[region], bucket(region, "datasets")
    found = dict[str, str]()
    for each in s3.list_object_versions(Bucket=name).get("Versions", []):
        body = s3.get_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])["Body"].read()
        found[f"{each['Key']} {each['VersionId']}"] = hashlib.sha256(body).hexdigest()
    return found


def backfill(*arguments: str) -> tuple[int, Any]:
    code, document = run("backfill", "--pair", "datasets", *arguments)
    assert "pairs" in document, document
    return code, document["pairs"][0]


def jobs(regions: Regions) -> list[dict[str, Any]]:
    return list(clients.client("s3control", PRIMARY).list_jobs(AccountId="123456789012")["Jobs"])


def test_plan_shows_what_is_missing_and_starts_no_job(regions: Regions, existing: dict[str, str]) -> None:
    code, found = backfill()

    assert (code, found["objects"], found["by_status"], found["job"]) == (Exit.OK, 21, {"NONE": 21}, None)
    assert found["bytes"] == sum(len(f"row {number}") for number in range(20)) + len("newer")
    assert found["cost_usd"] == pytest.approx(0.25 + 21 * 6e-6 + found["bytes"] * 2e-11)
    assert jobs(regions) == []
    assert hashes(regions, RECOVERY) == {}


def test_objects_from_before_replication_arrive_with_their_versions(regions: Regions, existing: dict[str, str]) -> None:
    code, found = backfill("--yes")

    assert (code, found["job"]["status"], found["job"]["succeeded"], found["left"]) == (Exit.OK, "Complete", 21, 0)
    assert hashes(regions, RECOVERY) == existing
    assert backfill()[1]["objects"] == 0
    assert "Nothing is missing." in text("backfill", "--pair", "datasets")


def test_lost_replica_bucket_is_filled_again(regions: Regions, existing: dict[str, str]) -> None:
    backfill("--yes")
    s3 = regions.s3[RECOVERY]
    for each in s3.list_object_versions(Bucket=REPLICA)["Versions"]:
        s3.delete_object(Bucket=REPLICA, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=REPLICA)
    code, refused = run("backfill", "--pair", "datasets")
    assert (code, "pulumi up -s primary" in json.dumps(refused)) == (Exit.REFUSED, True)
    make_bucket(s3, REPLICA)

    code, found = backfill("--yes")

    assert (code, found["by_status"], found["left"]) == (Exit.OK, {"COMPLETED": 21}, 0)
    assert hashes(regions, RECOVERY) == existing


def test_lost_primary_bucket_is_filled_from_its_replicas(regions: Regions, existing: dict[str, str]) -> None:
    backfill("--yes")
    s3 = regions.s3[PRIMARY]
    for each in s3.list_object_versions(Bucket=SOURCE)["Versions"]:
        s3.delete_object(Bucket=SOURCE, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=SOURCE)
    make_bucket(s3, SOURCE)
    pair = Pair(s3, regions.s3[RECOVERY], (SOURCE, REPLICA))
    pair.replicate_back(pair.back())

    code, found = backfill("--region", PRIMARY, "--yes")

    assert (code, found["by_status"], found["left"]) == (Exit.OK, {"REPLICA": 21}, 0)
    assert hashes(regions, PRIMARY) == existing


def test_versions_that_s3_does_not_replicate_again_are_reported(regions: Regions, existing: dict[str, str]) -> None:
    backfill("--yes")
    key, version = next(iter(existing)).split()
    regions.s3[RECOVERY].delete_object(Bucket=REPLICA, Key=key, VersionId=version)

    code, found = backfill("--yes")

    assert (code, found["job"]["failed"], found["left"]) == (Exit.FAILED, 0, 1)
    assert "copy these objects in place" in found["problems"][0]["remedy"]


def test_failed_versions_are_named_with_s3s_reason(regions: Regions, existing: dict[str, str]) -> None:
    off = {"Status": "Suspended"}
    regions.s3[RECOVERY].put_bucket_versioning(Bucket=REPLICA, VersioningConfiguration=off)

    code, found = backfill("--yes")

    assert (code, found["job"]["failed"], len(found["problems"])) == (Exit.FAILED, 21, batch_jobs.PROBLEMS)
    assert "DstBucketUnversioned" in found["problems"][0]["fact"]


def test_role_that_batch_operations_cannot_assume_is_reported(regions: Regions, existing: dict[str, str]) -> None:
    document = trust_service("s3.amazonaws.com")
    regions.aws.client("iam", PRIMARY).update_assume_role_policy(RoleName="ml-dr-backfill", PolicyDocument=document)

    code, found = backfill("--yes")

    assert (code, found["job"]["status"]) == (Exit.FAILED, "Failed")
    assert "AssumeRoleNotPermitted" in found["problems"][0]["fact"]


def test_second_command_follows_the_job_that_runs(
    regions: Regions, existing: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = batch_jobs.follow

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def resumed(wanted: Wanted, id: str, report: Report) -> Ended:
        slow.undo()
        regions.aws.emulator.replication.wake()
        return follow(wanted, id, report)

    slow = pytest.MonkeyPatch()
    slow.setattr(Replicator, "_next", lambda self: None)
    monkeypatch.setattr(batch_jobs, "follow", killed)
    text("backfill", "--pair", "datasets", "--yes")
    id = jobs(regions)[0]["JobId"]
    assert jobs(regions)[0]["Status"] == "Active"
    monkeypatch.setattr(batch_jobs, "follow", resumed)
    assert f"job {id} runs" in text("backfill", "--pair", "datasets")

    code, found = backfill("--yes")

    assert (code, found["running"], found["job"]["succeeded"], found["left"]) == (Exit.OK, id, 21, 0)
    assert [each["JobId"] for each in jobs(regions)] == [id]
    assert hashes(regions, RECOVERY) == existing


def test_two_commands_start_one_job(
    regions: Regions, existing: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted("123456789012", "ml-dr", PRIMARY, SOURCE, RECOVERY, REPLICA, bucket(PRIMARY, "control"))
    monkeypatch.setattr(batch_jobs, "_jobs", lambda wanted: [])

    ids = {batch_jobs.start(wanted, ["NONE"]) for _ in range(2)}

    assert len(ids) == len(jobs(regions)) == 1


def test_unknown_pair_is_refused_with_the_nearest_name() -> None:
    code, found = run("backfill", "--pair", "dataset")

    assert (code, "datasets" in found["problems"][0]["remedy"]) == (Exit.INVALID, True)
