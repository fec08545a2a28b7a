"""Fixtures of a model set in one region of moto. A test module imports them by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from dr.data import publication
from dr.data.model_sets import Manifest
from dr.data.publication import Item

BUCKETS = {"datasets": "data", "models": "models", "registry": "registry"}
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def versioned_buckets() -> Iterator[None]:
    """Buckets of all pairs, with versioning."""
    with mock_aws():
        s3 = boto3.client("s3", REGION)
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Three files to publish, each of another part."""
    content = {("data", "datasets"): "digits", ("parameters", "registry"): "{}", ("model", "models"): "weights"}
    made = []
    for (part, pair), text in content.items():
        (tmp_path / part).write_text(text)
        made.append(Item(part, pair, tmp_path / part))
    return made


def publish(items: list[Item]) -> Manifest:
    """Publish the files as a version of the set `digits`."""
    return publication.publish(REGION, BUCKETS, "digits", items)
