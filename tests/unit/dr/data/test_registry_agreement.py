"""Rows of MLflow against objects of the bucket: each test changes one of the two."""

from __future__ import annotations

import pytest

from dr.data.registry_agreement import Lack, Unnamed, compare
from dr.data.registry_backup import Backup, Saved
from dr.data.registry_rows import Row, path_of, version_row

BUCKETS = {"registry-east": "mlflow/", "registry-west": "mlflow/"}
RUN = Row("run", "r1", "mlflow-artifacts:/0/r1/artifacts")
MODEL = Row("logged model", "m-1", "mlflow-artifacts:/0/models/m-1/artifacts", complete=True)
VERSION = Row("model version", "iris 1", MODEL.location, complete=True)
ROWS = (RUN, MODEL, VERSION)
KEYS = ("mlflow/0/r1/artifacts/plot.png", "mlflow/0/models/m-1/artifacts/MLmodel")
BACKUP = Backup("2026-11-28T12:00:00Z", tuple(Saved(key, f"v-{key[-3:]}", 1, "", "", "") for key in KEYS))


def objects(*keys: str) -> list[Unnamed]:
    return [Unnamed(key, "v", 1) for key in keys]


def test_rows_and_objects_of_one_time_agree() -> None:
    assert compare(ROWS, objects(*KEYS), BACKUP, BUCKETS) == ((), ())


def test_model_that_no_backup_has_is_missing_because_the_database_is_newer() -> None:
    newer = Row("model version", "iris 2", "s3://registry-west/mlflow/0/r1/artifacts/new", complete=True)

    missing, unnamed = compare((*ROWS, newer), objects(*KEYS), BACKUP, BUCKETS)

    key, why = "mlflow/0/r1/artifacts/new/MLmodel", "no backup has it: the database is newer than the bucket"
    assert missing == (Lack("model version iris 2", key, "", why),)
    assert unnamed == ()


def test_artifact_that_was_deleted_is_missing_with_its_version_of_the_backup() -> None:
    missing, _ = compare(ROWS, objects(KEYS[1]), BACKUP, BUCKETS)

    assert missing == (Lack("run r1", KEYS[0], "v-png", "deleted since the backup of 2026-11-28T12:00:00Z"),)


def test_artifact_of_a_row_that_no_longer_exists_is_not_missing() -> None:
    assert compare((MODEL, VERSION), objects(KEYS[1]), BACKUP, BUCKETS) == ((), ())


def test_object_that_no_row_names_is_listed() -> None:
    _, unnamed = compare((MODEL, VERSION), objects(*KEYS), BACKUP, BUCKETS)

    assert unnamed == (Unnamed(KEYS[0], "v", 1),)


def test_object_in_the_folder_of_an_experiment_is_named_by_no_row() -> None:
    _, unnamed = compare(ROWS, objects(*KEYS, "mlflow/0/stray.bin"), BACKUP, BUCKETS)

    assert [each.key for each in unnamed] == ["mlflow/0/stray.bin"]


def test_run_without_artifacts_is_no_difference_without_a_backup() -> None:
    assert compare(ROWS, objects(KEYS[1]), None, BUCKETS) == ((), ())


def test_model_in_progress_needs_no_model_file() -> None:
    pending = Row("logged model", "m-2", "mlflow-artifacts:/0/models/m-2/artifacts")

    assert compare((*ROWS, pending), objects(*KEYS), BACKUP, BUCKETS) == ((), ())


def test_model_outside_the_registrys_bucket_is_reported() -> None:
    elsewhere = Row("model version", "iris 3", "s3://other/iris", complete=True)

    missing, _ = compare((*ROWS, elsewhere), objects(*KEYS), BACKUP, BUCKETS)

    why = "its location is not in the registry's bucket"
    assert missing == (Lack("model version iris 3", "s3://other/iris", "", why),)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("mlflow-artifacts:/0/r1/artifacts", "0/r1/artifacts/"),
        ("s3://registry-east/mlflow/0/r1/artifacts", "0/r1/artifacts/"),
        ("s3://registry-east/sets/0", None),
        ("s3://other/mlflow/0", None),
        ("dbfs:/databricks/0", None),
    ],
)
def test_path_of_a_location_names_no_bucket(location: str, path: str | None) -> None:
    assert path_of(location, BUCKETS) == path


def test_version_of_a_logged_model_has_its_location() -> None:
    found = {"name": "iris", "version": "1", "source": "models:/m-1", "status": "READY"}

    assert version_row(found, {"m-1": MODEL.location}) == VERSION
