"""How deployments fail, continue and end, with the real engine and a sandbox for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dr.errors import Failed
from dr.topology.topology import STANDARD_PAIRS
from tests.support.sandbox import SandboxUnderTest, sandbox_in

pytestmark = pytest.mark.engine

EAST, WEST = "us-east-1", "us-west-2"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxUnderTest]:
    with sandbox_in(tmp_path) as made:
        yield made


def test_up_continues_after_a_failed_create_and_destroy_removes_every_resource(
    sandbox: SandboxUnderTest,
) -> None:
    sandbox.configure("primary", protectData="false")
    planned = sandbox.engine.preview("primary").counts["create"]
    sandbox.fault(kind="operation", operation="s3:PutBucketReplication", error="AccessDenied", times=99, region=None)
    with pytest.raises(Failed, match="AccessDenied"):
        sandbox.engine.up("primary")
    made = len(sandbox.engine.resources("primary"))
    assert 20 < made < planned

    sandbox.repair()
    sandbox.engine.up("primary")
    assert len(sandbox.engine.resources("primary")) == planned + 1  # the provider
    assert sandbox.engine.up("primary").none

    s3 = sandbox.client("s3", EAST)
    s3.put_object(Bucket="ml-dr-123456789012-us-east-1-datasets", Key="a", Body=b"1")
    sandbox.engine.destroy("primary")
    assert s3.list_buckets()["Buckets"] == []
    assert sandbox.client("route53", EAST).list_hosted_zones()["HostedZones"] == []
    assert sandbox.client("route53", EAST).list_health_checks()["HealthChecks"] == []
    assert sandbox.client("iam", EAST).list_roles()["Roles"] == []
    for region in (EAST, WEST):
        assert sandbox.client("cloudwatch", region).describe_alarms()["MetricAlarms"] == []
        kms = sandbox.client("kms", region)
        # AWS creates its managed key for volumes with the first encrypted volume.
        aws = {each["TargetKeyId"] for each in kms.list_aliases()["Aliases"] if each["AliasName"] == "alias/aws/ebs"}
        ours = {key["KeyId"] for key in kms.list_keys()["Keys"]} - aws
        assert {kms.describe_key(KeyId=id)["KeyMetadata"]["KeyState"] for id in ours} <= {"PendingDeletion"}


def test_destroying_the_primary_stack_keeps_replicas_keys_roles_and_the_zone(sandbox: SandboxUnderTest) -> None:
    sandbox.engine.up("primary")
    replica = "ml-dr-123456789012-us-west-2-models"
    sandbox.client("s3", WEST).put_object(Bucket=replica, Key="survivor", Body=b"survivor")
    mark = sandbox.mark()
    with pytest.raises(Failed, match="protected"):
        sandbox.engine.destroy("primary")

    deletes = {(call["service"], call["target"]) for call in sandbox.calls(mark) if "Delet" in call["operation"]}
    assert ("s3", WEST) not in deletes
    assert "kms" not in {service for service, _ in deletes}
    roles = [role["RoleName"] for role in sandbox.client("iam", EAST).list_roles()["Roles"]]
    assert len([name for name in roles if "-replication-" in name]) == len(STANDARD_PAIRS)
    s3 = sandbox.client("s3", WEST)
    assert s3.get_object(Bucket=replica, Key="survivor")["Body"].read() == b"survivor"
    assert s3.get_bucket_versioning(Bucket=replica)["Status"] == "Enabled"
    (zone,) = sandbox.client("route53", EAST).list_hosted_zones()["HostedZones"]
    assert zone["Name"] == "ml.example.com."


def test_dr_stack_before_the_primary_is_refused_with_the_command_to_run(sandbox: SandboxUnderTest) -> None:
    for _ in ("before it is made", "made and not deployed"):
        with pytest.raises(Failed) as caught:
            sandbox.engine.up("dr")
        assert "us-west-2 has no control bucket ml-dr-123456789012-us-west-2-control" in str(caught.value)
        assert "run `pulumi up -s primary`" in str(caught.value)
        sandbox.engine.preview("primary")


def test_taken_bucket_name_is_reported(sandbox: SandboxUnderTest) -> None:
    taken = "ml-dr-123456789012-us-east-1-models"
    sandbox.client("s3", EAST).create_bucket(Bucket=taken)
    with pytest.raises(Failed) as caught:
        sandbox.engine.up("primary")

    assert taken in str(caught.value)
    assert "BucketAlready" in str(caught.value)


def test_existing_bucket_is_adopted_and_survives_destroy(sandbox: SandboxUnderTest) -> None:
    s3 = sandbox.client("s3", EAST)
    s3.create_bucket(Bucket="our-old-data")
    settings = [{"name": "datasets", "existing": "our-old-data"}]
    sandbox.configure("primary", buckets=settings, protectData="false")
    sandbox.engine.up("primary")

    assert s3.get_bucket_versioning(Bucket="our-old-data")["Status"] == "Enabled"
    assert sandbox.engine.outputs("primary")["primary_bucket"] == "our-old-data"
    s3.put_object(Bucket="our-old-data", Key="kept", Body=b"kept")
    sandbox.engine.destroy("primary")
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["our-old-data"]
    assert s3.get_bucket_versioning(Bucket="our-old-data")["Status"] == "Enabled"
    assert s3.get_object(Bucket="our-old-data", Key="kept")["Body"].read() == b"kept"


def test_existing_zone_gets_the_records_and_survives_destroy(sandbox: SandboxUnderTest) -> None:
    route53 = sandbox.client("route53", EAST)
    zone = route53.create_hosted_zone(Name="ml.example.com", CallerReference="ours")["HostedZone"]["Id"].rpartition(
        "/"
    )[2]
    sandbox.configure("primary", hostedZone=zone, protectData="false")
    sandbox.engine.up("primary")

    assert sandbox.engine.outputs("primary")["zone_id"] == zone
    assert sandbox.engine.outputs("primary")["name_servers"] == []
    names = {record["Name"] for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]}
    assert {"inference.ml.example.com.", "inference-primary.ml.example.com."} <= names
    sandbox.engine.destroy("primary")
    assert len(route53.list_hosted_zones()["HostedZones"]) == 1
