"""The way back from a lost replica bucket: `pulumi refresh`, `pulumi up`, `dr backfill`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.support.dr_command import dr
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
SOURCE, REPLICA = (f"ml-dr-123456789012-{region}-datasets" for region in (EAST, WEST))


def hashes(sandbox: SandboxUnderTest, region: str, bucket: str) -> dict[str, str]:
    """Read every version by boto3; return hashes by key and version ID."""
    return dict(_hashes(sandbox, region, bucket))


def _hashes(sandbox: SandboxUnderTest, region: str, bucket: str) -> Iterator[tuple[str, str]]:
    s3 = sandbox.client("s3", region)
    for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
        body = s3.get_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])["Body"].read()
        yield f"{each['Key']} {each['VersionId']}", hashlib.sha256(body).hexdigest()


def empty(sandbox: SandboxUnderTest, region: str, bucket: str) -> None:
    """Delete every version, as must be done before a bucket is deleted."""
    s3 = sandbox.client("s3", region)
    for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
        s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])


def test_lost_replica_bucket_is_created_again_and_filled_with_the_same_versions(
    primary_alone: SandboxUnderTest,
) -> None:
    east, west = primary_alone.client("s3", EAST), primary_alone.client("s3", WEST)
    for number in range(3):
        east.put_object(Bucket=SOURCE, Key=f"lost/{number}", Body=f"row {number}".encode())
    written = hashes(primary_alone, EAST, SOURCE)
    wait_for(lambda: hashes(primary_alone, WEST, REPLICA) == written)

    empty(primary_alone, WEST, REPLICA)
    west.delete_bucket(Bucket=REPLICA)
    primary_alone.engine.refresh("primary")
    primary_alone.engine.up("primary")
    assert hashes(primary_alone, WEST, REPLICA) == {}
    code, found = dr(primary_alone, "backfill", "--pair", "datasets", "--yes")

    assert (code, found["pairs"][0]["job"]["status"], found["pairs"][0]["left"]) == (0, "Complete", 0)
    assert hashes(primary_alone, WEST, REPLICA) == hashes(primary_alone, EAST, SOURCE) == written
    assert west.get_bucket_replication(Bucket=REPLICA)["ReplicationConfiguration"]["Rules"]
    for region, bucket in ((EAST, SOURCE), (WEST, REPLICA)):
        empty(primary_alone, region, bucket)
