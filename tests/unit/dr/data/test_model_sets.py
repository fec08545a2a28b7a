"""Model sets in one region of moto; tests/integration covers both regions and replication."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr import clients
from dr.data import copies, model_sets, publication
from dr.data.model_sets import Manifest
from dr.data.publication import Item
from dr.errors import Invalid

BUCKETS = {"datasets": "data", "models": "models", "registry": "registry"}
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def _buckets() -> Iterator[None]:
    with mock_aws():
        s3 = boto3.client("s3", REGION)
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    content = {("data", "datasets"): "digits", ("parameters", "registry"): "{}", ("model", "models"): "weights"}
    made = []
    for (part, pair), text in content.items():
        (tmp_path / part).write_text(text)
        made.append(Item(part, pair, tmp_path / part))
    return made


def publish(items: list[Item]) -> Manifest:
    return publication.publish(REGION, BUCKETS, "digits", items)


def test_published_model_set_is_read_back_unchanged(items: list[Item]) -> None:
    manifest = publish(items)

    assert model_sets.newest(REGION, BUCKETS, "digits") == manifest
    assert [copy.intact for copy in copies.read_copies(REGION, BUCKETS, manifest)] == [True] * 3
    assert model_sets.names(REGION, BUCKETS) == ["digits"]


def test_the_manifest_is_written_last(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    client = clients.client("s3", REGION)
    put_object = client.put_object

    def put(**request: Any) -> Any:
        written.append(request["Key"])
        return put_object(**request)

    monkeypatch.setattr(client, "put_object", put)
    publish(items)

    assert len(written) == 4
    assert written[-1].endswith("/manifest.json")


def test_unchanged_content_is_not_published_again(items: list[Item]) -> None:
    assert publish(items) == publish(items)


def test_different_content_is_published_as_a_new_version(items: list[Item]) -> None:
    first = publish(items)
    items[0].path.write_text("other digits")
    second = publish(items)

    assert second.digest != first.digest
    assert {first.set_id, second.set_id} == {key.split("/")[2] for key in _keys("registry") if "manifest" in key}


def _keys(bucket: str) -> list[str]:
    return [item["Key"] for item in boto3.client("s3", REGION).list_objects_v2(Bucket=bucket)["Contents"]]


def test_missing_object_makes_its_copy_not_intact(items: list[Item]) -> None:
    manifest = publish(items)
    entry = manifest.entries[2]
    boto3.client("s3", REGION).delete_object(Bucket=BUCKETS[entry.pair], Key=entry.key, VersionId=entry.version_id)

    assert [copy.sha256 for copy in copies.read_copies(REGION, BUCKETS, manifest)][2] is None
    assert [copy.intact for copy in copies.read_copies(REGION, BUCKETS, manifest)] == [True, True, False]


def test_overwritten_object_does_not_change_a_published_set(items: list[Item]) -> None:
    manifest = publish(items)
    entry = manifest.entries[0]
    boto3.client("s3", REGION).put_object(Bucket=BUCKETS[entry.pair], Key=entry.key, Body=b"poison")

    assert all(copy.intact for copy in copies.read_copies(REGION, BUCKETS, manifest))


def test_progress_of_publication_is_reported_per_object(items: list[Item]) -> None:
    progress: list[str] = []
    publication.publish(REGION, BUCKETS, "digits", items, lambda text, share: progress.append(text))

    assert progress == ["1 of 3 objects", "2 of 3 objects", "3 of 3 objects"]


def test_newest_returns_none_without_a_published_set() -> None:
    assert model_sets.newest(REGION, BUCKETS, "digits") is None
    assert model_sets.names(REGION, BUCKETS) == []


@pytest.mark.parametrize(
    ("text", "message"), [("{}", "not a valid manifest"), ('{"version": 2}', "has version 2, not 1")]
)
def test_an_invalid_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        model_sets.parse(text, "test")
