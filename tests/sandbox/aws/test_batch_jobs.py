"""S3 Batch Replication: what jobs copy, what they report, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY, Pair, make_bucket
from tests.support.waiting import wait_for

ACCOUNT = "123456789012"
SOURCE, REPLICA = "data-primary", "data-recovery"
ACTIONS = {
    "s3:InitiateReplication": f"arn:aws:s3:::{SOURCE}/*",
    "s3:GetReplicationConfiguration": f"arn:aws:s3:::{SOURCE}",
    "s3:PutInventoryConfiguration": f"arn:aws:s3:::{SOURCE}",
    "s3:PutObject": f"arn:aws:s3:::{SOURCE}/reports/*",
}
Settle = Callable[[], dict[str, int]]


@pytest.fixture
def control_api(aws: Running) -> Any:
    """S3 Control of the primary region; the account is a prefix of its host, which is reached through the proxy."""
    config = Config(proxies={"http": aws.endpoint}, retries={"total_max_attempts": 1})
    return aws.client("s3control", PRIMARY, config=config)


def make_role(aws: Running, service: str = "batchoperations.s3.amazonaws.com", without: str = "") -> str:
    """Create the role of a job, without one permission."""
    iam = aws.client("iam", PRIMARY)
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role: str = iam.create_role(RoleName="fills", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allowed = [{"Effect": "Allow", "Action": name, "Resource": on} for name, on in ACTIONS.items() if name != without]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName="fills", PolicyName="fills", PolicyDocument=policy)
    return role


def job(role: str, statuses: tuple[str, ...] = ("NONE", "FAILED"), **changes: Any) -> dict[str, Any]:
    """Return the parameters of a job that fills the replica."""
    generator = {
        "SourceBucket": f"arn:aws:s3:::{SOURCE}",
        "EnableManifestOutput": False,
        "Filter": {"EligibleForReplication": True, "ObjectReplicationStatuses": list(statuses)},
    }
    report = {"Bucket": f"arn:aws:s3:::{SOURCE}", "Prefix": "reports", "Format": "Report_CSV_20180820"}
    return {
        "AccountId": ACCOUNT,
        "ConfirmationRequired": False,
        "Operation": {"S3ReplicateObject": {}},
        "Report": report | {"Enabled": True, "ReportScope": "AllTasks"},
        "ClientRequestToken": "one",
        "Priority": 1,
        "RoleArn": role,
        "ManifestGenerator": {"S3JobManifestGenerator": generator},
    } | changes


def ended(api: Any, id: str) -> dict[str, Any]:
    """Wait for the end of a job, and return it."""

    def read() -> dict[str, Any]:
        return dict(api.describe_job(AccountId=ACCOUNT, JobId=id)["Job"])

    wait_for(lambda: read()["Status"] in ("Complete", "Failed", "Cancelled"), progress=read, interval_seconds=0.01)
    return read()


def rows(pair: Pair, id: str) -> list[list[str]]:
    """Return the rows of a job's completion report."""
    read = lambda key: pair.source.get_object(Bucket=SOURCE, Key=key)["Body"].read().decode()  # noqa: E731
    results = json.loads(read(f"reports/job-{id}/manifest.json"))["Results"]
    return [row for each in results for row in csv.reader(io.StringIO(read(each["Key"])))]


def test_job_replicates_versions_from_before_the_rule(aws: Running, pair: Pair, control_api: Any) -> None:
    old = pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")["VersionId"]
    new = pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"2")["VersionId"]
    pair.replicate(pair.rule())

    id = control_api.create_job(**job(make_role(aws)))["JobId"]
    found = ended(control_api, id)

    assert found["Status"] == "Complete"
    assert found["ProgressSummary"]["NumberOfTasksSucceeded"] == found["ProgressSummary"]["TotalNumberOfTasks"] == 2
    for version, body in ((old, b"1"), (new, b"2")):
        replica = pair.replica.get_object(Bucket=REPLICA, Key="k", VersionId=version)
        assert (replica["Body"].read(), replica["ReplicationStatus"]) == (body, "REPLICA")
        assert pair.source.head_object(Bucket=SOURCE, Key="k", VersionId=version)["ReplicationStatus"] == "COMPLETED"
    assert sorted(row[:4] for row in rows(pair, id)) == sorted(
        [SOURCE, "k", version, "succeeded"] for version in (old, new)
    )


def test_job_replicates_versions_of_the_chosen_statuses_only(
    aws: Running, pair: Pair, control_api: Any, settle: Settle
) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="old", Body=b"1")
    pair.replicate(pair.rule())
    pair.source.put_object(Bucket=SOURCE, Key="new", Body=b"1")
    settle()

    id = control_api.create_job(**job(make_role(aws), ("COMPLETED",)))["JobId"]

    assert ended(control_api, id)["ProgressSummary"]["TotalNumberOfTasks"] == 1
    assert [row[1] for row in rows(pair, id)] == ["new"]


def test_job_fills_a_recreated_replica_bucket(aws: Running, pair: Pair, control_api: Any, settle: Settle) -> None:
    pair.replicate(pair.rule())
    version = pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")["VersionId"]
    settle()
    pair.replica.delete_object(Bucket=REPLICA, Key="k", VersionId=version)
    pair.replica.delete_bucket(Bucket=REPLICA)
    make_bucket(pair.replica, REPLICA)

    ended(control_api, control_api.create_job(**job(make_role(aws), ("COMPLETED",)))["JobId"])

    assert pair.replica.get_object(Bucket=REPLICA, Key="k", VersionId=version)["Body"].read() == b"1"


def test_job_does_not_replicate_again_what_was_deleted_by_its_version_id(
    aws: Running, pair: Pair, control_api: Any, settle: Settle
) -> None:
    pair.replicate(pair.rule())
    version = pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")["VersionId"]
    settle()
    pair.replica.delete_object(Bucket=REPLICA, Key="k", VersionId=version)

    assert ended(control_api, control_api.create_job(**job(make_role(aws), ("COMPLETED",)))["JobId"])["Status"]

    assert not pair.replica.list_object_versions(Bucket=REPLICA, Prefix="k").get("Versions")


def test_failed_copy_is_in_the_report_with_its_reason(aws: Running, pair: Pair, control_api: Any) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    pair.replicate(pair.rule())
    pair.replica.put_bucket_versioning(Bucket=REPLICA, VersioningConfiguration={"Status": "Suspended"})

    id = control_api.create_job(**job(make_role(aws)))["JobId"]

    assert ended(control_api, id)["ProgressSummary"]["NumberOfTasksFailed"] == 1
    assert [(row[1], *row[3:5]) for row in rows(pair, id)] == [("k", "failed", "DstBucketUnversioned")]
    assert pair.source.head_object(Bucket=SOURCE, Key="k")["ReplicationStatus"] == "FAILED"


@pytest.mark.parametrize(
    ("role", "configured", "code"),
    [
        ({"service": "s3.amazonaws.com"}, True, "AssumeRoleNotPermitted"),
        ({"without": "s3:PutInventoryConfiguration"}, True, "AccessDenied"),
        ({"without": "s3:PutObject"}, True, "AccessDenied"),
        ({}, False, "ReplicationConfigurationNotFoundError"),
    ],
)
def test_job_without_what_it_needs_fails(
    aws: Running, pair: Pair, control_api: Any, role: dict[str, str], configured: bool, code: str
) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    if configured:
        pair.replicate(pair.rule())

    found = ended(control_api, control_api.create_job(**job(make_role(aws, **role)))["JobId"])

    assert (found["Status"], found["FailureReasons"][0]["FailureCode"]) == ("Failed", code)


def test_job_without_matching_versions_fails(aws: Running, pair: Pair, control_api: Any) -> None:
    pair.replicate(pair.rule())

    found = ended(control_api, control_api.create_job(**job(make_role(aws)))["JobId"])

    assert "no keys matching" in found["FailureReasons"][0]["FailureReason"]


def test_task_without_permission_to_initiate_replication_fails(aws: Running, pair: Pair, control_api: Any) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    pair.replicate(pair.rule())

    id = control_api.create_job(**job(make_role(aws, without="s3:InitiateReplication")))["JobId"]

    ended(control_api, id)
    assert [row[4] for row in rows(pair, id)] == ["AccessDenied"]
    assert "Contents" not in pair.replica.list_objects_v2(Bucket=REPLICA, Prefix="k")


def test_job_that_requires_confirmation_waits_for_it(aws: Running, pair: Pair, control_api: Any) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    pair.replicate(pair.rule())
    id = control_api.create_job(**job(make_role(aws), ConfirmationRequired=True))["JobId"]
    assert control_api.describe_job(AccountId=ACCOUNT, JobId=id)["Job"]["Status"] == "Suspended"

    control_api.update_job_status(AccountId=ACCOUNT, JobId=id, RequestedJobStatus="Ready")

    assert ended(control_api, id)["Status"] == "Complete"
    with pytest.raises(ClientError, match="JobStatusException"):
        control_api.update_job_status(AccountId=ACCOUNT, JobId=id, RequestedJobStatus="Cancelled")


def test_token_names_the_job_that_it_created(aws: Running, pair: Pair, control_api: Any) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    pair.replicate(pair.rule())
    wanted = job(make_role(aws), Description="fill")
    id = control_api.create_job(**wanted)["JobId"]

    assert control_api.create_job(**wanted)["JobId"] == id
    with pytest.raises(ClientError, match="IdempotencyException"):
        control_api.create_job(**wanted | {"Priority": 2})
    listed = control_api.list_jobs(AccountId=ACCOUNT)["Jobs"]
    assert [(each["JobId"], each["Description"]) for each in listed] == [(id, "fill")]


def test_job_waits_for_an_unreachable_region(
    aws: Running, pair: Pair, control_api: Any, control: Callable[..., Any]
) -> None:
    pair.source.put_object(Bucket=SOURCE, Key="k", Body=b"1")
    pair.replicate(pair.rule())
    control("POST", "faults", {"kind": "region", "region": RECOVERY, "unreachable": True})
    id = control_api.create_job(**job(make_role(aws)))["JobId"]
    assert control_api.describe_job(AccountId=ACCOUNT, JobId=id)["Job"]["Status"] == "Active"

    control("DELETE", "faults")

    assert ended(control_api, id)["Status"] == "Complete"


def test_job_in_another_region_than_its_source_is_refused(aws: Running, pair: Pair) -> None:
    pair.replicate(pair.rule())
    api = aws.client("s3control", RECOVERY, config=Config(proxies={"http": aws.endpoint}))
    with pytest.raises(ClientError, match="InvalidRequest"):
        api.create_job(**job(make_role(aws)))
