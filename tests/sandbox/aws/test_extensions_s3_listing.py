"""Listings of object versions, and copies with conditions and checksums, as S3's API reference describes them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, make_bucket

BUCKET = "data-primary"
KEYS = ("a b", "a+b", "a/ü", "z")


@pytest.fixture
def s3(aws: Running) -> Any:
    """A bucket with two versions of each key; the last key is deleted."""
    client = aws.client("s3", PRIMARY)
    make_bucket(client, BUCKET)
    for body in (b"1", b"22"):
        for key in KEYS:
            client.put_object(Bucket=BUCKET, Key=key, Body=body)
    client.delete_object(Bucket=BUCKET, Key=KEYS[-1])
    return client


def listed(s3: Any, **options: Any) -> list[tuple[str, int | None, bool]]:
    """Return key, size and whether it is current of each version, in the order of the pages."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, **options)
    return [
        (each["Key"], each.get("Size"), each["IsLatest"])
        for page in pages
        for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    ]


def test_pages_of_one_version_have_the_order_of_s3(s3: Any) -> None:
    current = [entry for key in KEYS[:-1] for entry in ((key, 2, True), (key, 1, False))]

    assert listed(s3, PaginationConfig={"PageSize": 1}) == [
        *current,
        *[("z", None, True), ("z", 2, False), ("z", 1, False)],
    ]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_listing_continues_after_a_page_that_ends_with_the_only_version_of_a_key(s3: Any, size: int) -> None:
    names = [f"single/{number}" for number in range(10)]
    for name in names:
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"1")

    assert [key for key, _, _ in listed(s3, Prefix="single/", PaginationConfig={"PageSize": size})] == names


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_of_any_size_have_every_version_once(s3: Any, size: int) -> None:
    found = listed(s3, PaginationConfig={"PageSize": size})

    assert len(found) == len(set(found)) == 9


def test_prefix_selects_keys_and_times_have_whole_seconds(s3: Any) -> None:
    assert {key for key, _, _ in listed(s3, Prefix="a")} == set(KEYS[:-1])
    (marker,) = s3.list_object_versions(Bucket=BUCKET, Prefix="z")["DeleteMarkers"]
    assert marker["LastModified"].microsecond == 0
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.list_object_versions(Bucket="absent-bucket")


def test_copy_has_the_checksum_algorithm_of_its_source(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="source", Body=b"content", ChecksumAlgorithm="SHA256")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "source"})
    source, copied = (s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED") for key in ("source", "copy"))

    assert copied["ChecksumSHA256"] == source["ChecksumSHA256"]


@pytest.mark.parametrize(
    ("key", "condition", "error"),
    [
        ("a b", {"IfMatch": '"other"'}, "PreconditionFailed"),
        ("a b", {"IfNoneMatch": "*"}, "PreconditionFailed"),
        ("z", {"IfMatch": '"other"'}, "NoSuchKey"),
    ],
)
def test_copy_with_an_unmet_condition_is_refused(s3: Any, key: str, condition: dict[str, str], error: str) -> None:
    with pytest.raises(ClientError, match=error):
        s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": "a+b"}, **condition)


def test_copy_with_a_met_condition_is_made_also_over_a_delete_marker(s3: Any) -> None:
    source = {"Bucket": BUCKET, "Key": "a+b"}
    etag = s3.head_object(Bucket=BUCKET, Key="a b")["ETag"]
    s3.copy_object(Bucket=BUCKET, Key="a b", CopySource=source, IfMatch=etag)
    s3.copy_object(Bucket=BUCKET, Key="z", CopySource=source, IfNoneMatch="*")

    assert {key for key, _, latest in listed(s3) if latest} == set(KEYS)


def test_common_prefixes_are_those_of_existing_objects(s3: Any) -> None:
    for key in ("left/1", "left/2", "gone/1"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    for key in ("left/2", "gone/1"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    answer = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")

    assert [each["Prefix"] for each in answer["CommonPrefixes"]] == ["a/", "left/"]
    assert [each["Key"] for each in answer["Contents"]] == ["a b", "a+b"]
    assert "CommonPrefixes" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="gone", Delimiter="/")
