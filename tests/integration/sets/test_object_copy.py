"""Copies of object versions in the emulator: content, metadata, tags and conditions, of any size."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from dr.clients import Conflict, Missing
from dr.data import object_copy
from dr.data.object_copy import Source, copy
from tests.support.sets import PRIMARY, RECOVERY, Regions, bucket

FROM, TO = bucket(PRIMARY, "models"), bucket(RECOVERY, "models")
LARGE = bytes(range(256)) * (11 << 12)


def put(regions: Regions, body: bytes, key: str = "models/a b+ü") -> Source:
    """Write an object with metadata and tags, and another version on top."""
    s3 = regions.s3[PRIMARY]
    options = {"ContentType": "model/x", "Metadata": {"framework": "sklearn"}, "Tagging": "stage=a%20b&owner=ada"}
    version = s3.put_object(Bucket=FROM, Key=key, Body=body, **options)["VersionId"]
    s3.put_object(Bucket=FROM, Key=key, Body=b"newer")
    return Source(PRIMARY, FROM, key, version, len(body))


def read(regions: Regions, key: str, version: str) -> dict[str, Any]:
    where = {"Bucket": TO, "Key": key, "VersionId": version}
    answer = regions.s3[RECOVERY].get_object(**where)
    tags = regions.s3[RECOVERY].get_object_tagging(**where)["TagSet"]
    return {
        "sha256": hashlib.sha256(answer["Body"].read()).hexdigest(),
        "type": answer["ContentType"],
        "metadata": answer["Metadata"],
        "tags": {each["Key"]: each["Value"] for each in tags},
    }


@pytest.mark.parametrize(("limit", "parts"), [(5 << 30, ""), (5 << 20, "-3")])
def test_copy_to_the_other_region_keeps_content_metadata_and_tags(
    regions: Regions, monkeypatch: pytest.MonkeyPatch, limit: int, parts: str
) -> None:
    monkeypatch.setattr(object_copy, "LARGEST_COPY", limit)
    regions.stop_replication()
    source = put(regions, LARGE)
    made = copy(source, RECOVERY, TO, "copied", {"ChecksumAlgorithm": "SHA256"}, part_bytes=5 << 20)

    assert read(regions, "copied", made.version_id) == {
        "sha256": hashlib.sha256(LARGE).hexdigest(),
        "type": "model/x",
        "metadata": {"framework": "sklearn"},
        "tags": {"stage": "a b", "owner": "ada"},
    }
    assert regions.s3[RECOVERY].head_object(Bucket=TO, Key="copied")["ETag"].strip('"').endswith(parts)
    assert made.sha256 in ("", hashlib.sha256(LARGE).hexdigest())


def test_copy_over_an_object_that_the_condition_excludes_is_a_conflict(regions: Regions) -> None:
    source = put(regions, b"content")
    with pytest.raises(Conflict):
        copy(source, PRIMARY, FROM, source.key, {"IfNoneMatch": "*"})


def test_version_that_does_not_exist_is_missing(regions: Regions) -> None:
    source = put(regions, b"content")
    regions.s3[PRIMARY].delete_object(Bucket=FROM, Key=source.key, VersionId=source.version_id)
    with pytest.raises(Missing):
        copy(source, PRIMARY, FROM, source.key)
