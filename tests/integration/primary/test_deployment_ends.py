"""How deployments of the primary stack fail, continue and end, with the real engine.

One sandbox serves all tests in their order: each destroys what it deployed, except the last.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dr.errors import Failed
from sandbox.aws.behaviours.delegations import DELEGATION_SET
from sandbox.aws.extensions.acm import record_of
from tests.support.sandbox import SandboxUnderTest, sandbox_in

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    with sandbox_in(tmp_path_factory.mktemp("ends")) as made:
        yield made


def test_dr_stack_before_the_primary_is_refused_with_the_command_to_run(sandbox: SandboxUnderTest) -> None:
    def refused() -> None:
        with pytest.raises(Failed) as caught:
            sandbox.engine.up("dr")
        assert "us-west-2 has no control bucket ml-dr-123456789012-us-west-2-control" in str(caught.value)
        assert "run `pulumi up -s primary`" in str(caught.value)

    refused()
    sandbox.engine.preview("primary")  # the primary stack exists now, and is not deployed
    refused()


def test_first_deployment_that_would_wait_for_a_delegation_is_refused_before_anything_is_created(
    sandbox: SandboxUnderTest,
) -> None:
    sandbox.configure("primary", delegationSet="")
    with pytest.raises(Failed) as caught:
        sandbox.engine.preview("primary")
    sandbox.configure("primary", delegationSet=DELEGATION_SET)

    assert "the first update would create the zone, to which nothing delegates, and wait 30 minutes" in str(
        caught.value
    )
    assert "pulumi config set dr:hostedZone <ID of the zone> -s primary" in str(caught.value)
    assert sandbox.client("route53", EAST).list_hosted_zones()["HostedZones"] == []


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


def test_existing_bucket_and_zone_are_used_and_survive_destroy(sandbox: SandboxUnderTest) -> None:
    s3, route53 = sandbox.client("s3", EAST), sandbox.client("route53", EAST)
    s3.create_bucket(Bucket="our-old-data")
    created = route53.create_hosted_zone(Name="ml.example.com", CallerReference="ours", DelegationSetId=DELEGATION_SET)
    zone = created["HostedZone"]["Id"].rpartition("/")[2]
    # Another certificate of the same name was validated in this zone.
    name, value = record_of("inference.ml.example.com")
    proof = {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": proof}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    sandbox.configure(
        "primary", buckets=[{"name": "datasets", "existing": "our-old-data"}], hostedZone=zone, protectData="false"
    )
    sandbox.engine.up("primary")

    assert s3.get_bucket_versioning(Bucket="our-old-data")["Status"] == "Enabled"
    outputs = sandbox.engine.outputs("primary")
    assert outputs["primary_bucket"] == "our-old-data"
    assert (outputs["zone_id"], outputs["name_servers"]) == (zone, [])
    names = {record["Name"] for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]}
    assert {"inference.ml.example.com.", "inference-primary.ml.example.com."} <= names
    s3.put_object(Bucket="our-old-data", Key="kept", Body=b"kept")
    sandbox.engine.destroy("primary")
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["our-old-data"]
    assert s3.get_bucket_versioning(Bucket="our-old-data")["Status"] == "Enabled"
    assert s3.get_object(Bucket="our-old-data", Key="kept")["Body"].read() == b"kept"
    assert len(route53.list_hosted_zones()["HostedZones"]) == 1


def test_taken_bucket_name_is_reported(sandbox: SandboxUnderTest) -> None:
    taken = "ml-dr-123456789012-us-east-1-models"
    sandbox.client("s3", EAST).create_bucket(Bucket=taken)
    sandbox.configure("primary", buckets=None)
    with pytest.raises(Failed) as caught:
        sandbox.engine.up("primary")

    assert taken in str(caught.value)
    assert "BucketAlready" in str(caught.value)
