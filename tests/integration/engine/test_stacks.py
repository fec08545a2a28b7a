"""Both stacks deployed by the real engine, and checked by something else: boto3, DNS answers, recorded calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dr import contract
from dr.errors import Failed
from dr.topology import Role
from sandbox.engine import WITHOUT_CHECKPOINTS
from tests.support.sandbox import SandboxUnderTest, sandbox_in

pytestmark = pytest.mark.engine

EAST, WEST = "us-east-1", "us-west-2"
PAIRS = ("datasets", "models", "registry", "control")
READS = ("Get", "List", "Head", "Describe", "Test")


def bucket(region: str, pair: str) -> str:
    return f"ml-dr-123456789012-{region}-{pair}"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    with sandbox_in(tmp_path_factory.mktemp("stacks")) as sandbox:
        first = sandbox.engine.up("primary", extra=WITHOUT_CHECKPOINTS)
        assert first.counts == {"create": 91}
        assert sandbox.engine.up("dr", extra=WITHOUT_CHECKPOINTS).counts == {"create": 9}
        yield sandbox


@pytest.fixture(autouse=True)
def _mended(deployed: SandboxUnderTest) -> Iterator[None]:
    yield
    deployed.mend()


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_a_second_up_changes_nothing(deployed: SandboxUnderTest, stack: str) -> None:
    changes = deployed.engine.up(stack)

    assert changes.none
    assert changes.warnings == ()


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_what_was_just_deployed_shows_no_drift(deployed: SandboxUnderTest, stack: str) -> None:
    assert deployed.engine.preview(stack, refresh=True).none


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_a_preview_calls_nothing_that_changes(deployed: SandboxUnderTest, stack: str) -> None:
    mark = deployed.mark()
    deployed.engine.preview(stack)

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
    assert (tags["backup"], tags["holds"]) == ("enabled", pair)


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
    assert rule["DeleteMarkerReplication"]["Status"] == ("Enabled" if pair == "control" else "Disabled")


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("region", [EAST, WEST])
def test_both_halves_of_the_contract_are_in_both_regions(deployed: SandboxUnderTest, region: str, role: Role) -> None:
    s3 = deployed.client("s3", region)
    text = s3.get_object(Bucket=bucket(region, "control"), Key=contract.key_of(role))["Body"].read()

    half = contract.parse(text, "test")
    stack = "primary" if role is Role.PRIMARY else "dr"
    assert half == contract.parse(json.dumps(deployed.engine.outputs(stack)["contract"]), "test")


def test_the_outputs_name_the_dataset_pair(deployed: SandboxUnderTest) -> None:
    for stack in ("primary", "dr"):
        outputs = deployed.engine.outputs(stack)
        assert outputs["primary_bucket"] == bucket(EAST, "datasets")
        assert outputs["secondary_bucket"] == bucket(WEST, "datasets")


def test_the_role_may_do_just_what_replication_needs(deployed: SandboxUnderTest) -> None:
    iam = deployed.client("iam", EAST)
    (name,) = [role["RoleName"] for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("models-")]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]

    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    text = json.dumps(document)
    assert "s3:*" not in text
    assert '"Resource": "*"' not in text
    assert bucket(EAST, "models") in text
    assert bucket(EAST, "datasets") not in text


def answer(deployed: SandboxUnderTest, name: str) -> list[str]:
    zone = deployed.engine.outputs("primary")["zone_id"]
    route53 = deployed.client("route53", EAST)
    data: list[str] = route53.test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType="CNAME")["RecordData"]
    return data


def test_the_primary_answers_while_it_is_healthy(deployed: SandboxUnderTest) -> None:
    assert answer(deployed, "inference.ml.example.com") == ["serving.us-east-1.ml.example.com"]
    assert answer(deployed, "inference-dr.ml.example.com") == ["serving.us-west-2.ml.example.com"]


def test_the_recovery_region_answers_when_the_primary_is_lost(deployed: SandboxUnderTest) -> None:
    deployed.fault(kind="region", region=EAST, unreachable=True)

    assert answer(deployed, "inference.ml.example.com") == ["serving.us-west-2.ml.example.com"]


def test_the_engage_lever_closes_a_healthy_primary(deployed: SandboxUnderTest) -> None:
    metrics = deployed.client("cloudwatch", WEST)
    dimensions = [{"Name": "Lever", "Value": "engage"}, {"Name": "Workload", "Value": "ml-dr"}]

    def pull(value: int) -> None:
        data = {"MetricName": "Lever", "Dimensions": dimensions, "Value": value}
        metrics.put_metric_data(Namespace="DisasterRecovery", MetricData=[data])

    pull(1)
    try:
        assert answer(deployed, "inference.ml.example.com") == ["serving.us-west-2.ml.example.com"]
    finally:
        pull(0)


def changed(changes: Any, name: str) -> tuple[str, list[str]]:
    (found,) = [(op, keys) for op, urn, keys in changes.changed if urn.endswith(f"::{name}")]
    return found


def test_a_diff_names_the_property(deployed: SandboxUnderTest) -> None:
    deployed.configure("primary", buckets=[{"name": "models", "noncurrentDays": 7}])
    try:
        changes = deployed.engine.preview("primary")
    finally:
        deployed.configure("primary", buckets=None)

    assert changes.counts == {"same": 89, "update": 2}
    operation, properties = changed(changes, "models-source-lifecycle")
    assert operation == "update"
    assert properties == ["rules[0].noncurrentVersionExpiration.noncurrentDays"]


def test_refresh_finds_what_was_changed_by_hand_and_up_restores_it(deployed: SandboxUnderTest) -> None:
    s3, name = deployed.client("s3", WEST), bucket(WEST, "models")
    access = {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": False,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=access)

    drift = deployed.engine.preview("primary", refresh=True)
    assert drift.counts["update"] == 1
    assert ["blockPublicPolicy"] in [
        keys for op, urn, keys in drift.changed if urn.endswith("::models-replica-public-access")
    ]
    assert deployed.engine.up("primary", refresh=True).counts["update"] == 1
    answer = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(answer.values()) == {True}


def test_the_tier_changes_in_place_and_back(deployed: SandboxUnderTest) -> None:
    zone, route53 = deployed.engine.outputs("primary")["zone_id"], deployed.client("route53", EAST)

    def weights() -> dict[str, int]:
        records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return {record["SetIdentifier"]: record["Weight"] for record in records if "Weight" in record}

    try:
        deployed.configure("dr", tier="Active-Active")
        there = deployed.engine.up("dr")
        assert there.counts == {"same": 7, "update": 2}
        assert changed(there, "recovery-record") == ("update", ["weightedRoutingPolicies[0].weight"])
        assert weights() == {"primary": 100, "recovery": 100}
    finally:
        deployed.configure("dr", tier="pilot")
        back = deployed.engine.up("dr")
    assert back.counts == {"same": 7, "update": 2}
    assert weights() == {"primary": 100, "recovery": 0}


def test_the_dr_stack_is_updated_with_the_primary_and_global_control_planes_lost(deployed: SandboxUnderTest) -> None:
    deployed.lose(EAST)
    mark = deployed.mark()
    try:
        deployed.configure("dr", tier="warm")
        changes = deployed.engine.up("dr")
    finally:
        deployed.configure("dr", tier="pilot")

    assert changes.counts == {"same": 8, "update": 1}
    calls = deployed.calls(mark)
    assert {call["target"] for call in calls} == {WEST}
    assert {call["service"] for call in calls} == {"s3", "sts"}
    deployed.mend()
    deployed.engine.up("dr")


def test_a_typo_of_a_tier_is_refused_by_the_engine_with_the_nearest(deployed: SandboxUnderTest) -> None:
    try:
        deployed.configure("dr", tier="wram")
        with pytest.raises(Failed) as caught:
            deployed.engine.up("dr")
    finally:
        deployed.configure("dr", tier="pilot")

    assert 'dr:tier: "wram" is no tier' in str(caught.value)
    assert 'did you mean "warm"?' in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_wrong_passphrase_is_named_with_the_right_one(deployed: SandboxUnderTest) -> None:
    with pytest.raises(Failed) as caught:
        deployed.engine.up("dr", extra={"PULUMI_CONFIG_PASSPHRASE": "wrong"})

    assert "PULUMI_CONFIG_PASSPHRASE is not the one" in str(caught.value)
    assert 'the sandbox\'s is "sandbox"' in str(caught.value)


def test_deploying_leaves_the_stack_files_as_they_were(deployed: SandboxUnderTest) -> None:
    from sandbox.local import ROOT

    deployed.engine.preview("dr")
    written = (deployed.local.project / "Pulumi.primary.yaml").read_text()
    salt = [line for line in (ROOT / "Pulumi.primary.yaml").read_text().splitlines() if "encryptionsalt" in line]
    assert salt[0] in written
