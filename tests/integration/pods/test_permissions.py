"""S3 calls of pods, recorded and checked against the policies of their roles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from components.compute import cluster_iam
from components.compute.cluster_iam import RESULTS
from components.iam import EncryptedBucket
from dr.clients import Missing, client
from dr.data import object_copy, publication
from dr.data.publication import Item
from dr.pods import copy_registry, fetch_models, process_shard
from sandbox.server import Running
from tests.support.buckets import make_bucket

HERE = "us-west-2"
BUCKETS = {name: name for name in ("datasets", "models", "registry")}


@dataclass(frozen=True)
class Permission:
    """A permission: an action on a resource, and the prefix of a listing."""

    action: str
    resource: str
    prefix: str = ""


def required(operation: str, params: dict[str, Any]) -> Iterator[Permission]:
    """Yield the permissions of an S3 operation (service authorization reference, "Amazon S3")."""
    bucket = f"arn:aws:s3:::{params['Bucket']}"
    target = f"{bucket}/{params.get('Key')}"
    match operation:
        case "GetObject" | "HeadObject":
            yield Permission("s3:GetObjectVersion" if "VersionId" in params else "s3:GetObject", target)
        case "GetObjectTagging":
            yield Permission("s3:GetObjectVersionTagging", target)
        case "ListObjectsV2":
            yield Permission("s3:ListBucket", bucket, params.get("Prefix", ""))
        case "ListObjectVersions":
            yield Permission("s3:ListBucketVersions", bucket, params.get("Prefix", ""))
        case "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            yield Permission("s3:PutObject", target)
        case "CopyObject" | "UploadPartCopy":
            source = params["CopySource"]
            of = f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"
            tags = operation == "CopyObject"
            yield from (
                Permission(action, of)
                for action in ("s3:GetObjectVersion", *(["s3:GetObjectVersionTagging"] if tags else []))
            )
            yield from (
                Permission(action, target) for action in ("s3:PutObject", *(["s3:PutObjectTagging"] if tags else []))
            )
        case _:
            raise AssertionError(f"{operation}: add its permissions here")


def allows(policy: str, permission: Permission) -> bool:
    for statement in json.loads(policy)["Statement"]:
        actions, resources = (
            value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
        )
        prefix = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "*")
        matched = any(fnmatchcase(permission.resource, each) for each in resources)
        if permission.action in actions and matched and fnmatchcase(permission.prefix, prefix):
            return True
    return False


@pytest.fixture
def record(aws: Running) -> Callable[[Callable[[], object]], set[Permission]]:
    for bucket in BUCKETS.values():
        make_bucket(aws.client("s3", HERE), bucket)

    def run(work: Callable[[], object]) -> set[Permission]:
        permissions: set[Permission] = set()
        events = client("s3", HERE).meta.events

        def note(params: dict[str, Any], model: Any, **_: Any) -> None:
            permissions.update(required(model.name, params))

        events.register("provide-client-params.s3", note)
        try:
            work()
        finally:
            events.unregister("provide-client-params.s3", note)
        assert permissions
        return permissions

    return run


def bucket(name: str) -> EncryptedBucket:
    return EncryptedBucket(name, HERE, f"arn:aws:kms:{HERE}:123456789012:key/data")


def refused(policy: str, permissions: set[Permission]) -> list[Permission]:
    return [each for each in permissions if not allows(policy, each)]


def publish(folder: Path) -> None:
    (folder / "model.joblib").write_text("weights")
    publication.publish(HERE, BUCKETS, "digits", [Item("model", "models", folder / "model.joblib")])


def test_the_models_policy_allows_fetching_models_and_listing_sets(record: Any, tmp_path: Path) -> None:
    publish(tmp_path)
    policy = cluster_iam.read_models(bucket("models"), bucket("registry"))

    def work() -> None:
        fetch_models.fetch(HERE, BUCKETS, "digits", tmp_path / "models")
        with pytest.raises(Missing):
            fetch_models.fetch(HERE, BUCKETS, "ranker", tmp_path / "models")

    assert refused(policy, record(work)) == []


def test_the_registry_policy_allows_backups_also_in_parts_but_not_writing_objects(
    record: Any, aws: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = cluster_iam.back_up_registry(bucket("registry"))
    monkeypatch.setattr(object_copy, "LARGEST_COPY", 5 << 20)
    monkeypatch.setattr(object_copy, "PART_BYTES", 5 << 20)
    for key, size in (("small", 1), ("large", 6 << 20)):
        aws.client("s3", HERE).put_object(Bucket="registry", Key=key, Body=b"x" * size)

    def work() -> None:
        copy_registry.back_up(HERE, "registry")
        copy_registry.back_up(HERE, "registry")

    permissions = record(work)
    assert {each.action for each in permissions} >= {
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:GetObjectVersionTagging",
    }
    assert refused(policy, permissions) == []
    assert not allows(policy, Permission("s3:PutObject", "arn:aws:s3:::registry/sets/digits/1/manifest.json"))
    assert not allows(policy, Permission("s3:DeleteObject", "arn:aws:s3:::registry/backups/objects/1/a"))


def test_the_batch_policy_allows_results_of_its_region_but_not_writing_datasets(record: Any, aws: Running) -> None:
    policy = cluster_iam.process_datasets(bucket("datasets"))
    aws.client("s3", HERE).put_object(Bucket="datasets", Key="sets/a.csv", Body=b"x\n1\n")
    shard = process_shard.Shard(HERE, "datasets", "sets/", f"{RESULTS}/{HERE}", "run", 0, 1)

    assert refused(policy, record(lambda: process_shard.process(shard))) == []
    assert not allows(policy, Permission("s3:PutObject", "arn:aws:s3:::datasets/sets/a.csv"))
    assert not allows(
        policy, Permission("s3:PutObject", f"arn:aws:s3:::datasets/{RESULTS}/us-east-1/run/shards/0.json")
    )


def test_the_velero_policy_is_limited_to_its_bucket() -> None:
    policy = cluster_iam.keep_cluster_backups(bucket("velero"))

    for action in ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
        assert allows(policy, Permission(f"s3:{action}", "arn:aws:s3:::velero/backups/one/velero-backup.json"))
        assert not allows(policy, Permission(f"s3:{action}", "arn:aws:s3:::registry/sets/a"))
    assert not allows(
        policy, Permission("s3:DeleteObjectVersion", "arn:aws:s3:::velero/backups/one/velero-backup.json")
    )


@pytest.mark.parametrize(
    "policy",
    [
        cluster_iam.back_up_registry(bucket("registry")),
        cluster_iam.process_datasets(bucket("datasets")),
        cluster_iam.keep_cluster_backups(bucket("velero")),
    ],
)
def test_no_policy_allows_all_actions_or_all_buckets(policy: str) -> None:
    statements = json.loads(policy)["Statement"]

    assert all("*" not in action for each in statements for action in _list(each["Action"]))
    assert all(resource != "*" for each in statements for resource in _list(each["Resource"]))
    keys = [each for each in statements if "kms:Decrypt" in each["Action"] or "kms:GenerateDataKey" in each["Action"]]
    assert keys
    assert all("kms:EncryptionContext:aws:s3:arn" in each["Condition"]["StringLike"] for each in keys)


def _list(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
