import json
from typing import Any

import pulumi
import pytest

from components.data.replicated_bucket import BucketSide, ReplicatedBucket, ReplicatedBucketArgs, lifecycle_rules
from dr.topology.topology import Lock, LockMode
from tests.support.builders import pair
from tests.support.mocks import Cloud, deploy

SOURCE = BucketSide("data-east", "us-east-1")
REPLICA = BucketSide("data-west", "us-west-2")
SIDES = {"source": SOURCE, "replica": REPLICA}


def args(pair_changes: dict[str, Any] | None = None, **changes: Any) -> ReplicatedBucketArgs:
    return ReplicatedBucketArgs(**{"pair": pair(**pair_changes or {}), "source": SOURCE, "replica": REPLICA, **changes})


def bucket(pair_changes: dict[str, Any] | None = None, **changes: Any) -> Cloud:
    return deploy(lambda: ReplicatedBucket("datasets", args(pair_changes, **changes)))


def rule(cloud: Cloud, side: str) -> dict[str, Any]:
    (rule,) = cloud.one("BucketReplicationConfig", f"datasets-{side}-replication")["rules"]
    return dict(rule)


@pytest.mark.parametrize("side", SIDES)
def test_a_bucket_of_a_pair_is_private_versioned_encrypted_and_tls_only(side: str) -> None:
    cloud = bucket()
    name = f"datasets-{side}"

    assert cloud.one("Bucket", name)["bucket"] == SIDES[side].name
    assert cloud.one("BucketVersioning", f"{name}-versioning")["versioningConfiguration"] == {"status": "Enabled"}
    access = cloud.one("BucketPublicAccessBlock", f"{name}-public-access")
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(access[switch] is True for switch in switches)
    ownership = cloud.one("BucketOwnershipControls", f"{name}-ownership")
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    policy = json.loads(cloud.one("BucketPolicy", f"{name}-policy")["policy"])
    assert policy["Statement"][0]["Resource"][0] == f"arn:aws:s3:::{SIDES[side].name}"
    (encryption,) = cloud.one("BucketServerSideEncryptionConfiguration", f"{name}-encryption")["rules"]
    assert encryption["bucketKeyEnabled"] is True
    key = encryption["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"]
    assert key.startswith(f"arn:aws:kms:{SIDES[side].region}:")


@pytest.mark.parametrize("side", SIDES)
def test_the_resources_of_a_bucket_are_in_its_region(side: str) -> None:
    made = [each for each in bucket().resources if each.name.startswith(f"datasets-{side}")]
    made = [each for each in made if "region" in each.inputs]

    assert len(made) == 8
    assert {each.inputs["region"] for each in made} == {SIDES[side].region}


@pytest.mark.parametrize(("side", "other"), [("source", "replica"), ("replica", "source")])
def test_each_bucket_replicates_to_the_other_with_the_destinations_key(side: str, other: str) -> None:
    replication = rule(bucket(), side)

    destination = replication["destination"]
    assert destination["bucket"] == f"arn:aws:s3:::{SIDES[other].name}"
    assert destination["encryptionConfiguration"]["replicaKmsKeyId"].startswith(f"arn:aws:kms:{SIDES[other].region}:")
    assert destination["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
    assert destination["metrics"] == {"status": "Enabled", "eventThreshold": {"minutes": 15}}
    assert replication["sourceSelectionCriteria"] == {
        "sseKmsEncryptedObjects": {"status": "Enabled"},
        "replicaModifications": {"status": "Enabled"},
    }
    assert (replication["filter"], replication["priority"]) == ({"prefix": ""}, 1)


@pytest.mark.parametrize(("enabled", "status"), [(True, "Enabled"), (False, "Disabled")])
def test_replicate_deletes_decides_on_delete_marker_replication(enabled: bool, status: str) -> None:
    cloud = bucket({"replicate_deletes": enabled})

    assert rule(cloud, "source")["deleteMarkerReplication"] == {"status": status}
    assert rule(cloud, "replica")["deleteMarkerReplication"] == {"status": status}


def test_one_role_limited_to_both_buckets_replicates_in_both_directions() -> None:
    cloud = bucket()
    configs = cloud.of("BucketReplicationConfig").values()
    policy = cloud.one("RolePolicy", "datasets-replication-policy")["policy"]

    assert {config.inputs["role"] for config in configs} == {
        "arn:aws:iam::123456789012:role/datasets-replication-0a1b2c3"
    }
    assert "data-east" in policy
    assert "data-west" in policy
    assert "key/key-datasets-keys-source" in policy


def test_the_replica_and_the_replication_role_are_protected_and_retained() -> None:
    made = [each for each in bucket().resources if each.name.startswith(("datasets-replica", "datasets-replication"))]

    assert made
    assert all(each.protect and each.retain_on_delete for each in made)


def test_a_pair_without_protect_can_be_destroyed() -> None:
    cloud = bucket(protect=False)

    assert not any(each.protect or each.retain_on_delete for each in cloud.resources)
    assert all(each.inputs["forceDestroy"] for each in cloud.of("Bucket").values())


def test_a_protected_bucket_does_not_have_force_destroy() -> None:
    assert not any(each.inputs["forceDestroy"] for each in bucket().of("Bucket").values())


def test_object_lock_is_on_both_buckets() -> None:
    cloud = bucket({"lock": Lock(LockMode.COMPLIANCE, 30)})

    assert all(each.inputs["objectLockEnabled"] for each in cloud.of("Bucket").values())
    retention = {"defaultRetention": {"mode": "COMPLIANCE", "days": 30}}
    assert [each.inputs["rule"] for each in cloud.of("BucketObjectLockConfiguration").values()] == [retention] * 2
    assert "s3:GetObjectRetention" in cloud.one("RolePolicy", "datasets-replication-policy")["policy"]


def test_an_existing_source_gets_only_versioning_and_replication() -> None:
    cloud = bucket({"existing": SOURCE.name, "existing_key": "arn:aws:kms:us-east-1:123456789012:key/theirs"})
    types = {each.type.rpartition(":")[2] for each in cloud.resources if each.name.startswith("datasets-source")}

    assert types == {"BucketVersioning", "BucketReplicationConfig"}
    assert cloud.of("BucketVersioning")["datasets-source-versioning"].retain_on_delete
    encryption = rule(cloud, "replica")["destination"]["encryptionConfiguration"]
    assert encryption == {"replicaKmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/theirs"}


def test_buckets_are_tagged_for_backup() -> None:
    cloud = bucket(tags={"owner": "ml"})

    tags = {name: each.inputs["tags"] for name, each in cloud.of("Bucket").items()}
    shared = {"owner": "ml", "holds": "datasets"}
    assert tags == {
        "datasets-source": {**shared, "backup": "enabled"},
        "datasets-replica": {**shared, "backup": "replica"},
    }


def test_old_versions_and_aborted_uploads_expire() -> None:
    rules = {each["id"]: each for each in lifecycle_rules(pair(noncurrent_days=30))}

    assert rules["noncurrent-versions"]["noncurrent_version_expiration"] == {"noncurrent_days": 30}
    assert rules["aborted-uploads"]["abort_incomplete_multipart_upload"] == {"days_after_initiation": 7}
    assert "archive" not in rules


def test_archive_days_move_objects_to_glacier_instant_retrieval() -> None:
    rules = {each["id"]: each for each in lifecycle_rules(pair(archive_days=90))}

    assert rules["archive"]["transitions"] == [{"days": 90, "storage_class": "GLACIER_IR"}]


def test_a_replica_in_the_same_region_is_refused() -> None:
    with pytest.raises(ValueError, match="would both be in us-east-1, so losing that region would lose both"):
        args(replica=BucketSide("data-west", "us-east-1"))


def test_outputs_are_both_names_and_the_role() -> None:
    outputs: dict[str, str] = {}

    def build() -> pulumi.Output[None]:
        made = ReplicatedBucket("datasets", args())
        return pulumi.Output.all(made.source_name, made.replica_name, made.role_arn).apply(
            lambda values: outputs.update(source=values[0], replica=values[1], role=values[2])
        )

    deploy(build)

    assert (outputs["source"], outputs["replica"]) == ("data-east", "data-west")
    assert outputs["role"].startswith("arn:aws:iam::")


def test_resources_of_two_pairs_have_different_names() -> None:
    def build() -> None:
        ReplicatedBucket("datasets", args())
        ReplicatedBucket("models", args())

    names = [(each.type, each.name) for each in deploy(build).resources]

    assert len(names) == len(set(names))


def test_an_assertion_inside_an_output_can_fail() -> None:
    def build() -> pulumi.Output[None]:
        def check(name: str) -> None:
            assert name == "another name"

        return ReplicatedBucket("datasets", args()).source_name.apply(check)

    with pytest.raises(AssertionError, match="another name"):
        deploy(build)
