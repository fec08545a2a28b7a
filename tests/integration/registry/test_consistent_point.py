"""A registry with a real MLflow over PostgreSQL and a bucket, damaged and restored as of one time."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dr.control import contract
from dr.control.contract import DatabaseRecord
from dr.pods import copy_registry
from dr.topology.topology import Role
from sandbox.server import Running
from tests.support import mlflow
from tests.support.aurora import PRIMARY, WRITER, Database, query
from tests.support.builders import half
from tests.support.sets import Regions, bucket, run

pytestmark = pytest.mark.skipif(bool(mlflow.LACKING), reason=f"not run: {mlflow.LACKING}")
BUCKET = bucket(PRIMARY, "registry")


class Registry:
    """MLflow in the primary region."""

    def __init__(self, aws: Running, folder: Path) -> None:
        self.aws, self.folder = aws, folder
        self.regions, self.database = Regions(aws), Database(aws)
        self.endpoint = self.database.writer()
        self.s3 = self.regions.s3[PRIMARY]
        self.started = 0

    def server(self, endpoint: str = "") -> Any:
        self.started += 1
        log = self.folder / f"mlflow-{self.started}.log"
        return mlflow.server(self.aws, PRIMARY, endpoint or self.endpoint, BUCKET, log)

    def content(self, url: str) -> dict[str, Any]:
        self.started += 1
        found = mlflow.client(url)
        return mlflow.content(found, "0", self.folder / f"artifacts-{self.started}")

    def write_contract(self) -> None:
        record = DatabaseRecord("global", WRITER, "arn", "17.7", "db.r6g.large", (f"{WRITER}-1",))
        written = half(Role.PRIMARY, database=asdict(record))
        key = contract.key_of(Role.PRIMARY)
        self.s3.put_object(Bucket=bucket(PRIMARY, "control"), Key=key, Body=json.dumps(written.to_dict()))


@pytest.fixture
def registry(aws: Running, tmp_path: Path) -> Registry:
    return Registry(aws, tmp_path)


def test_damaged_registry_is_restored_with_its_artifacts_as_of_one_time(registry: Registry) -> None:
    with registry.server() as url:
        found = mlflow.client(url)
        runs = [mlflow.log_version(found, "0", "iris", text) for text in ("first", "second")]
        copy_registry.back_up(PRIMARY, BUCKET)
        before = registry.content(url)
        assert run("registry", "verify", "--tracking", url)[0] == 0
        time.sleep(1.1)  # S3 has whole seconds
        then = datetime.now(UTC)
        time.sleep(1.1)

        _bucket_newer(registry, runs[0])
        _database_newer(registry, found)
        code, damaged = run("registry", "verify", "--tracking", url)

    assert code == 1
    assert {(each["row"], each["key"].rpartition("/")[2]) for each in damaged["missing"]} == {
        ("model version iris 3", "MLmodel"),
        (f"run {runs[1]}", "text.txt"),
    }
    assert all(each["version_id"] for each in damaged["missing"] if each["key"].endswith("text.txt"))
    assert {each["key"].split("/")[2] for each in damaged["unnamed"]} == {runs[0]}
    registry.write_contract()
    restored_code, restored = run(
        *("registry", "restore", "--as-of", then.isoformat(), "--overwrite-newer", "--delete-created", "--yes")
    )

    assert restored_code == 0, restored
    with registry.server(restored["database"]["endpoint"]) as url:
        assert registry.content(url) == before
        assert run("registry", "verify", "--tracking", url)[0] == 0


def _bucket_newer(registry: Registry, run_id: str) -> None:
    """Delete the rows of a run, as a bad migration would; its artifacts stay."""
    tables = ("model_versions", "metrics", "latest_metrics", "params", "tags", "runs")
    columns = {"model_versions": "run_id"}
    for each in tables:
        text = f"delete from {each} where {columns.get(each, 'run_uuid')} = '{run_id}'"  # noqa: S608 - of this test
        query(registry.aws, registry.endpoint, text)


def _database_newer(registry: Registry, found: Any) -> None:
    """Register a version of which the bucket never got the model, and lose an artifact of a run."""
    other = next(each.info for each in found.search_runs(["0"]))
    found.create_model_version("iris", f"{other.artifact_uri}/nothing", other.run_id)
    key = f"mlflow/0/{other.run_id}/artifacts/notes/text.txt"
    registry.s3.delete_object(Bucket=BUCKET, Key=key)
