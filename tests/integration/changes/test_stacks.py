"""Both stacks, deployed by the real engine and checked independently: by boto3, DNS answers and recorded calls."""

from __future__ import annotations

import json

import pytest

from dr.control import contract
from dr.topology.topology import Role
from tests.support.network import dns_answer, load_balancer
from tests.support.sandbox import SandboxUnderTest, warned

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
PAIRS = ("datasets", "models", "registry", "control", "velero")
READS = ("Get", "List", "Head", "Describe", "Test")


def bucket(region: str, pair: str) -> str:
    return f"ml-dr-123456789012-{region}-{pair}"


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_preview_with_refresh_after_a_deployment_shows_no_drift(deployed: SandboxUnderTest, stack: str) -> None:
    assert deployed.engine.preview(stack, refresh=True).none


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_preview_shows_no_change_and_calls_only_reading_operations(deployed: SandboxUnderTest, stack: str) -> None:
    mark = deployed.mark()
    changes = deployed.engine.preview(stack)

    assert changes.none
    assert warned(changes) == ()
    operations = deployed.operations(mark)
    assert operations
    assert [name for name in operations if not name.partition(":")[2].startswith(READS)] == []


@pytest.mark.parametrize("region", [EAST, WEST])
@pytest.mark.parametrize("pair", PAIRS)
def test_every_bucket_is_versioned_encrypted_private_and_tls_only(
    deployed: SandboxUnderTest, region: str, pair: str
) -> None:
    s3, name = deployed.client("s3", region), bucket(region, pair)

    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"].startswith(f"arn:aws:kms:{region}:")
    assert rule["BucketKeyEnabled"] is True
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=name)["Policy"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert {each["ID"] for each in rules} == {"noncurrent-versions", "aborted-uploads"}
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    assert (tags["backup"], tags["holds"]) == ("enabled" if region == EAST else "replica", pair)


@pytest.mark.parametrize(("region", "other"), [(EAST, WEST), (WEST, EAST)])
@pytest.mark.parametrize("pair", PAIRS)
def test_every_bucket_replicates_to_the_other_region(
    deployed: SandboxUnderTest, region: str, other: str, pair: str
) -> None:
    answer = deployed.client("s3", region).get_bucket_replication(Bucket=bucket(region, pair))

    (rule,) = answer["ReplicationConfiguration"]["Rules"]
    assert rule["Destination"]["Bucket"] == f"arn:aws:s3:::{bucket(other, pair)}"
    assert rule["Destination"]["ReplicationTime"] == {"Status": "Enabled", "Time": {"Minutes": 15}}
    key = rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"]
    assert key.startswith(f"arn:aws:kms:{other}:")
    assert rule["SourceSelectionCriteria"] == {
        "SseKmsEncryptedObjects": {"Status": "Enabled"},
        "ReplicaModifications": {"Status": "Enabled"},
    }
    assert rule["DeleteMarkerReplication"]["Status"] == ("Enabled" if pair in ("control", "velero") else "Disabled")


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("region", [EAST, WEST])
def test_both_halves_of_the_contract_are_in_both_regions(deployed: SandboxUnderTest, region: str, role: Role) -> None:
    s3 = deployed.client("s3", region)
    text = s3.get_object(Bucket=bucket(region, "control"), Key=contract.key_of(role))["Body"].read()

    half = contract.parse(text, "test")
    stack = "primary" if role is Role.PRIMARY else "dr"
    assert half == contract.parse(json.dumps(deployed.engine.outputs(stack)["contract"]), "test")


def test_stack_outputs_name_the_buckets_of_the_dataset_pair(deployed: SandboxUnderTest) -> None:
    for stack in ("primary", "dr"):
        outputs = deployed.engine.outputs(stack)
        assert outputs["primary_bucket"] == bucket(EAST, "datasets")
        assert outputs["secondary_bucket"] == bucket(WEST, "datasets")


def test_replication_role_is_limited_to_its_bucket_pair(deployed: SandboxUnderTest) -> None:
    iam = deployed.client("iam", EAST)
    (name,) = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("models-")]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]

    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    text = json.dumps(document)
    assert "s3:*" not in text
    assert '"Resource": "*"' not in text
    assert bucket(EAST, "models") in text
    assert bucket(EAST, "datasets") not in text


def test_dns_resolves_to_the_primary_region_while_it_is_healthy(deployed: SandboxUnderTest) -> None:
    assert dns_answer(deployed, "inference.ml.example.com") == load_balancer(deployed, EAST)
    assert dns_answer(deployed, "inference-dr.ml.example.com") == load_balancer(deployed, WEST)


def test_dns_keeps_a_lost_primary_region_if_the_recovery_region_has_no_replicas(deployed: SandboxUnderTest) -> None:
    primary = load_balancer(deployed, EAST)
    deployed.fault(kind="region", region=EAST, unreachable=True)
    deployed.advance(1)

    assert dns_answer(deployed, "inference.ml.example.com") == primary


def test_deployment_keeps_the_encryption_salt_of_the_stack_file(deployed: SandboxUnderTest) -> None:
    from sandbox.local import ROOT

    written = (deployed.local.project / "Pulumi.primary.yaml").read_text()
    salt = [line for line in (ROOT / "Pulumi.primary.yaml").read_text().splitlines() if "encryptionsalt" in line]
    assert salt[0] in written
