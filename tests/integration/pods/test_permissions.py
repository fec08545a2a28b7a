"""What pods ask of S3, recorded and held against what their roles allow. In AWS a mistake would show on the day."""

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
from dr.clients import client
from dr.data import model_sets
from dr.data.model_sets import Item
from dr.pods import copy_registry, fetch_models, process_shard
from sandbox.server import Running
from tests.support.buckets import make_bucket

HERE = "us-west-2"
BUCKETS = {name: name for name in ("datasets", "models", "registry")}


@dataclass(frozen=True)
class Asked:
    """An action on a resource, and the prefix of a listing."""

    action: str
    resource: str
    prefix: str = ""


def asked(operation: str, params: dict[str, Any]) -> Iterator[Asked]:
    """What S3 asks IAM before it does an operation (service authorization reference, "Amazon S3")."""
    bucket = f"arn:aws:s3:::{params['Bucket']}"
    target = f"{bucket}/{params.get('Key')}"
    match operation:
        case "GetObject" | "HeadObject":
            yield Asked("s3:GetObjectVersion" if "VersionId" in params else "s3:GetObject", target)
        case "ListObjectsV2":
            yield Asked("s3:ListBucket", bucket, params.get("Prefix", ""))
        case "ListObjectVersions":
            yield Asked("s3:ListBucketVersions", bucket, params.get("Prefix", ""))
        case "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            yield Asked("s3:PutObject", target)
        case "CopyObject" | "UploadPartCopy":
            source = params["CopySource"]
            of = f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"
            tags = operation == "CopyObject"
            yield from (
                Asked(action, of)
                for action in ("s3:GetObjectVersion", *(["s3:GetObjectVersionTagging"] if tags else []))
            )
            yield from (
                Asked(action, target) for action in ("s3:PutObject", *(["s3:PutObjectTagging"] if tags else []))
            )
        case _:
            raise AssertionError(f"{operation}: say here what it asks for")


def allows(policy: str, wanted: Asked) -> bool:
    for statement in json.loads(policy)["Statement"]:
        actions, resources = (
            value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
        )
        prefix = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "*")
        matched = any(fnmatchcase(wanted.resource, each) for each in resources)
        if wanted.action in actions and matched and fnmatchcase(wanted.prefix, prefix):
            return True
    return False


@pytest.fixture
def record(aws: Running) -> Callable[[Callable[[], object]], set[Asked]]:
    for bucket in BUCKETS.values():
        make_bucket(aws.client("s3", HERE), bucket)

    def run(work: Callable[[], object]) -> set[Asked]:
        found: set[Asked] = set()
        events = client("s3", HERE).meta.events

        def note(params: dict[str, Any], model: Any, **_: Any) -> None:
            found.update(asked(model.name, params))

        events.register("provide-client-params.s3", note)
        try:
            work()
        finally:
            events.unregister("provide-client-params.s3", note)
        assert found
        return found

    return run


def bucket(name: str) -> EncryptedBucket:
    return EncryptedBucket(name, HERE, f"arn:aws:kms:{HERE}:123456789012:key/data")


def refused(policy: str, found: set[Asked]) -> list[Asked]:
    return [each for each in found if not allows(policy, each)]


def publish(folder: Path) -> None:
    (folder / "model.joblib").write_text("weights")
    model_sets.publish(HERE, BUCKETS, "digits", [Item("model", "models", folder / "model.joblib")])


def test_fetching_models_is_allowed_and_so_is_saying_which_sets_there_are(record: Any, tmp_path: Path) -> None:
    publish(tmp_path)
    policy = cluster_iam.read_models(bucket("models"), bucket("registry"))

    def work() -> None:
        fetch_models.fetch(HERE, BUCKETS, "digits", tmp_path / "models")
        with pytest.raises(fetch_models.Missing):
            fetch_models.fetch(HERE, BUCKETS, "ranker", tmp_path / "models")

    assert refused(policy, record(work)) == []


def test_backing_up_the_registry_is_allowed_in_parts_too_and_writing_to_it_is_not(
    record: Any, aws: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = cluster_iam.back_up_registry(bucket("registry"))
    monkeypatch.setattr(copy_registry, "LARGEST_COPY", 5 << 20)
    monkeypatch.setattr(copy_registry, "PART_BYTES", 5 << 20)
    for key, size in (("small", 1), ("large", 6 << 20)):
        aws.client("s3", HERE).put_object(Bucket="registry", Key=key, Body=b"x" * size)

    def work() -> None:
        copy_registry.back_up(HERE, "registry")
        copy_registry.back_up(HERE, "registry")

    found = record(work)
    assert {each.action for each in found} >= {"s3:PutObject", "s3:PutObjectTagging", "s3:GetObjectVersionTagging"}
    assert refused(policy, found) == []
    assert not allows(policy, Asked("s3:PutObject", "arn:aws:s3:::registry/sets/digits/1/manifest.json"))
    assert not allows(policy, Asked("s3:DeleteObject", "arn:aws:s3:::registry/backups/objects/1/a"))


def test_processing_is_allowed_and_writing_to_datasets_or_as_another_region_is_not(record: Any, aws: Running) -> None:
    policy = cluster_iam.process_datasets(bucket("datasets"))
    aws.client("s3", HERE).put_object(Bucket="datasets", Key="sets/a.csv", Body=b"x\n1\n")
    shard = process_shard.Shard(HERE, "datasets", "sets/", f"{RESULTS}/{HERE}", "run", 0, 1)

    assert refused(policy, record(lambda: process_shard.process(shard))) == []
    assert not allows(policy, Asked("s3:PutObject", "arn:aws:s3:::datasets/sets/a.csv"))
    assert not allows(policy, Asked("s3:PutObject", f"arn:aws:s3:::datasets/{RESULTS}/us-east-1/run/shards/0.json"))


def test_velero_keeps_backups_in_its_own_bucket_alone() -> None:
    policy = cluster_iam.keep_cluster_backups(bucket("velero"))

    for action in ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
        assert allows(policy, Asked(f"s3:{action}", "arn:aws:s3:::velero/backups/one/velero-backup.json"))
        assert not allows(policy, Asked(f"s3:{action}", "arn:aws:s3:::registry/sets/a"))
    assert not allows(policy, Asked("s3:DeleteObjectVersion", "arn:aws:s3:::velero/backups/one/velero-backup.json"))


@pytest.mark.parametrize(
    "policy",
    [
        cluster_iam.back_up_registry(bucket("registry")),
        cluster_iam.process_datasets(bucket("datasets")),
        cluster_iam.keep_cluster_backups(bucket("velero")),
    ],
)
def test_no_policy_has_a_wildcard_for_an_action_or_for_every_bucket(policy: str) -> None:
    statements = json.loads(policy)["Statement"]

    assert all("*" not in action for each in statements for action in _list(each["Action"]))
    assert all(resource != "*" for each in statements for resource in _list(each["Resource"]))
    keys = [each for each in statements if "kms:Decrypt" in each["Action"] or "kms:GenerateDataKey" in each["Action"]]
    assert keys
    assert all("kms:EncryptionContext:aws:s3:arn" in each["Condition"]["StringEquals"] for each in keys)


def _list(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
