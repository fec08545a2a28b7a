"""Model sets in one region of moto; tests/integration covers both regions and replication."""

import boto3
import pytest

from dr.data import copies, model_sets
from dr.data.publication import Item
from dr.errors import Invalid
from tests.support.published import BUCKETS, REGION, items, publish, versioned_buckets

__all__ = ["items", "versioned_buckets"]


def test_published_model_set_is_read_back_unchanged(items: list[Item]) -> None:
    manifest = publish(items)

    assert model_sets.newest(REGION, BUCKETS, "digits") == manifest
    assert [copy.intact for copy in copies.read_copies(REGION, BUCKETS, manifest)] == [True] * 3
    assert model_sets.names(REGION, BUCKETS) == ["digits"]


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


def test_newest_returns_none_without_a_published_set() -> None:
    assert model_sets.newest(REGION, BUCKETS, "digits") is None
    assert model_sets.names(REGION, BUCKETS) == []


@pytest.mark.parametrize(
    ("text", "message"), [("{}", "not a valid manifest"), ('{"version": 2}', "has version 2, not 1")]
)
def test_an_invalid_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        model_sets.parse(text, "test")
