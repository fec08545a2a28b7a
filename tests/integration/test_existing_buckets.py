"""Checks of an existing bucket of `dr:buckets`, against the emulated S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dr.findings import Finding, Status
from dr.preflight import existing_buckets
from dr.preflight.check import Subject
from dr.topology.topology import Role
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY
from tests.support.builders import topology

THEIRS, REPLICA = "our-old-data", "ml-dr-123456789012-us-west-2-datasets"
KEY = "arn:aws:kms:us-east-1:123456789012:key/0f0e1d2c-0000-4000-8000-000000000001"


def look(role: Role = Role.PRIMARY, /, **entry: str) -> list[Finding]:
    buckets = json.dumps([{"name": "datasets", "existing": THEIRS, **entry}])
    return list(existing_buckets.look(Subject(topology(role, buckets=buckets), "primary", Path("/project"))))


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


@pytest.fixture
def s3(aws: Running) -> Any:
    """S3 with a versioned bucket of another owner, and two that it may replicate to."""
    s3 = aws.client("s3", PRIMARY)
    s3.create_bucket(Bucket=THEIRS)
    versioned = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=THEIRS, VersioningConfiguration=versioned)
    for name in (REPLICA, "their-archive"):
        client = aws.client("s3", RECOVERY)
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": RECOVERY})
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioned)
    return s3


def replicate(s3: Any, *targets: str) -> None:
    rules = [
        {
            "ID": f"to-{target}",
            "Priority": number,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{target}"},
        }
        for number, target in enumerate(targets)
    ]
    role = "arn:aws:iam::123456789012:role/theirs"
    s3.put_bucket_replication(Bucket=THEIRS, ReplicationConfiguration={"Role": role, "Rules": rules})


def encrypt(s3: Any, **default: str) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", **default}}
    s3.put_bucket_encryption(Bucket=THEIRS, ServerSideEncryptionConfiguration={"Rules": [rule]})


@pytest.mark.usefixtures("s3")
def test_bucket_without_replication_rules_is_met() -> None:
    assert only(look()).status is Status.MET


def test_replication_rules_of_the_owner_are_refused_with_their_names(s3: Any) -> None:
    replicate(s3, "their-archive")

    found = only(look())
    assert found.status is Status.MISSED
    assert "has replication rules (to-their-archive to their-archive), which this deployment would delete" in (
        found.measured
    )
    assert f"delete-bucket-replication --bucket {THEIRS}" in found.hint


def test_the_rule_of_this_project_is_met(s3: Any) -> None:
    replicate(s3, REPLICA)

    assert only(look()).status is Status.MET


def test_key_that_is_not_configured_is_refused(s3: Any) -> None:
    encrypt(s3, KMSMasterKeyID=KEY)

    found = only(look())
    assert (found.status, KEY in found.measured) == (Status.MISSED, True)
    assert only(look(existingKey=KEY)).status is Status.MET


def test_key_that_s3_reports_by_its_id_is_compared_by_its_arn(s3: Any, aws: Running) -> None:
    made = aws.client("kms", PRIMARY).create_key()["KeyMetadata"]
    encrypt(s3, KMSMasterKeyID=made["KeyId"])

    assert only(look(existingKey=made["Arn"])).status is Status.MET
    assert made["Arn"] in only(look(existingKey=KEY)).measured


def test_key_that_aws_manages_is_refused(s3: Any) -> None:
    encrypt(s3)

    assert "is encrypted with the AWS managed key aws/s3" in only(look()).measured


def test_bucket_that_does_not_exist_or_is_in_another_region_is_refused(aws: Running) -> None:
    assert "does not exist" in only(look()).measured
    aws.client("s3", RECOVERY).create_bucket(Bucket=THEIRS, CreateBucketConfiguration={"LocationConstraint": RECOVERY})
    assert "is in us-west-2, not in the primary region" in only(look()).measured


@pytest.mark.usefixtures("s3")
def test_dr_stack_does_not_look_at_buckets_of_the_primary_region() -> None:
    assert look(Role.RECOVERY) == []
