"""The real model set in two emulated regions: S3 replicates it, and its copies are compared by hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.datasets import load_digits

from dr.control.journal import LocalJournal
from dr.data import model_sets
from dr.operations.step_runner import StepRunner
from sandbox import model_set
from sandbox.server import Running
from tests.support.buckets import make_bucket, replicate_all

PAIRS = ("datasets", "models", "registry")


@dataclass
class World:
    """The names of two regions and three bucket pairs."""

    primary_region: str = "us-east-1"
    recovery_region: str = "us-west-2"

    def buckets(self, region: str) -> Mapping[str, str]:
        return {pair: f"{pair}-{region}" for pair in PAIRS}


@pytest.fixture
def world(aws: Running) -> World:
    made = World()
    for region in (made.primary_region, made.recovery_region):
        for bucket in made.buckets(region).values():
            make_bucket(aws.client("s3", region), bucket)
    for pair in PAIRS:
        replicate_all(aws.client("s3", "us-east-1"), f"{pair}-us-east-1", f"{pair}-us-west-2")
    return made


def publish(world: World, folder: Path) -> list[bool]:
    outcomes = StepRunner[Any](LocalJournal(folder / "journal.jsonl")).execute("publish", model_set.steps(), world)
    return [outcome.changed for outcome in outcomes]


def test_published_model_set_is_replicated_completely(world: World, tmp_path: Path) -> None:
    publish(world, tmp_path)

    found = model_set.hashes(world)
    assert set(found) == {"data", "parameters", "metrics", "model"}
    for by_region in found.values():
        assert by_region["us-east-1"] == by_region["us-west-2"] != "missing"


def test_second_publication_changes_nothing(world: World, tmp_path: Path) -> None:
    publish(world, tmp_path)

    assert publish(world, tmp_path) == [False, False]


def test_model_set_with_a_deleted_object_is_published_again(world: World, aws: Running, tmp_path: Path) -> None:
    publish(world, tmp_path)
    manifest = model_sets.newest("us-east-1", world.buckets("us-east-1"), model_set.NAME)
    assert manifest
    model = next(entry for entry in manifest.entries if entry.part == "model")
    aws.client("s3", "us-east-1").delete_object(Bucket="models-us-east-1", Key=model.key, VersionId=model.version_id)

    assert publish(world, tmp_path)[0]


def test_replicated_model_makes_the_same_predictions(world: World, aws: Running, tmp_path: Path) -> None:
    publish(world, tmp_path)
    manifest = model_sets.newest("us-west-2", world.buckets("us-west-2"), model_set.NAME)
    assert manifest
    entry = next(entry for entry in manifest.entries if entry.part == "model")
    aws.client("s3", "us-west-2").download_file("models-us-west-2", entry.key, str(tmp_path / "replica.joblib"))
    original = model_set.train(tmp_path).folder / "model.joblib"
    pixels, labels = load_digits(return_X_y=True)

    replica = joblib.load(tmp_path / "replica.joblib")
    assert (replica.predict(pixels) == joblib.load(original).predict(pixels)).all()
    assert replica.score(pixels, labels) > 0.95
