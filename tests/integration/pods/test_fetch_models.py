"""Fetching model sets from the AWS emulator, as by the init container."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import pytest
from mlserver.repository.repository import SchemalessModelRepository
from mlserver.types import InferenceRequest
from sklearn.datasets import load_digits

from dr.clients import Missing
from dr.data import model_sets, publication
from dr.data.model_sets import Manifest
from dr.data.publication import Item
from dr.errors import Failed, Invalid
from dr.pods import fetch_models
from dr.pods.fetch_models import fetch
from sandbox import model_set
from sandbox.aws.faults import parse
from sandbox.server import Running
from tests.support import pods
from tests.support.buckets import make_bucket

HERE = "us-west-2"
BUCKETS = {"models": "models", "registry": "registry"}
ALL = {**BUCKETS, "datasets": "datasets"}


@pytest.fixture
def aws(aws: Running) -> Running:
    for bucket in ALL.values():
        make_bucket(aws.client("s3", HERE), bucket)
    return aws


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def publish(source: Path, model: str = "weights", name: str = "digits", **more: str) -> Manifest:
    files = {"model.joblib": model, "labels.json": "[]", **more}
    items = []
    for file, text in files.items():
        (source / file).write_text(text)
        items.append(Item("model" if file.startswith("model.") else file, "models", source / file))
    (source / "digits.csv").write_text("1,2")
    return publication.publish(HERE, ALL, name, [*items, Item("data", "datasets", source / "digits.csv")])


def lose(aws: Running, manifest: Manifest, part: str = "model") -> None:
    """Delete a version permanently, as if it had not been replicated."""
    entry = next(entry for entry in manifest.entries if entry.part == part)
    aws.client("s3", HERE).delete_object(Bucket=ALL[entry.pair], Key=entry.key, VersionId=entry.version_id)


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != fetch_models.LOCK
    }


def test_folder_contains_the_fetched_set_its_settings_and_its_marker(
    aws: Running, source: Path, tmp_path: Path
) -> None:
    manifest = publish(source)
    fetch(HERE, BUCKETS, "digits", tmp_path / "models")

    files = tree(tmp_path / "models")
    assert files.keys() == {
        ".set.json",
        "digits/labels.json",
        "digits/model-settings.json",
        "digits/model.joblib",
    }
    assert files["digits/model.joblib"] == "weights"
    assert json.loads(files["digits/model-settings.json"]) == {
        "name": "digits",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": manifest.set_id},
    }
    mark = json.loads(files[".set.json"])
    assert (mark["set_id"], mark["digest"]) == (manifest.set_id, manifest.digest)


def test_model_in_a_folder_of_the_set_is_served_from_that_folder(aws: Running, source: Path, tmp_path: Path) -> None:
    (source / "model.joblib").write_text("weights")
    item = Item("model", "models", source / "model.joblib", "model/model.joblib")
    publication.publish(HERE, ALL, "digits", [item])
    fetch(HERE, BUCKETS, "digits", tmp_path / "models")

    files = tree(tmp_path / "models")
    assert files["digits/model/model.joblib"] == "weights"
    assert json.loads(files["digits/model-settings.json"])["parameters"]["uri"] == "./model/model.joblib"


def test_the_program_runs_from_its_config_map(aws: Running, source: Path, tmp_path: Path) -> None:
    publish(source)
    environment = {
        "AWS_REGION": HERE,
        "MODELS_BUCKET": "models",
        "REGISTRY_BUCKET": "registry",
        "MODEL_SET": "digits",
        "MODELS_FOLDER": str(tmp_path / "models"),
    }
    code, log = pods.run("fetch_models", tmp_path, environment)

    assert code == 0, log
    assert "0 of 2 files are intact" in log
    assert log.splitlines()[-1].endswith("complete")
    assert tree(tmp_path / "models")["digits/model.joblib"] == "weights"

    code, log = pods.run("fetch_models", tmp_path, {"AWS_REGION": HERE})
    assert code == 2
    assert log.count("is not set") == 4


def test_intact_files_are_kept_and_damaged_ones_fetched_again(aws: Running, source: Path, tmp_path: Path) -> None:
    publish(source)
    folder = tmp_path / "models"
    fetch(HERE, BUCKETS, "digits", folder)
    kept = (folder / "digits/labels.json").stat().st_ino
    (folder / "digits/model.joblib").write_text("weighty")  # as many bytes
    fetch(HERE, BUCKETS, "digits", folder)

    assert tree(folder)["digits/model.joblib"] == "weights"
    assert (folder / "digits/labels.json").stat().st_ino == kept


def test_a_newer_version_replaces_all_files_of_the_previous_one(aws: Running, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    publish(source, old="only in the first")
    fetch(HERE, BUCKETS, "digits", folder)
    (source / "old").unlink()
    second = publish(source, "better weights")
    fetch(HERE, BUCKETS, "digits", folder)

    files = tree(folder)
    assert files["digits/model.joblib"] == "better weights"
    assert "digits/old" not in files
    assert json.loads(files[".set.json"])["set_id"] == second.set_id


def test_another_set_replaces_the_previous_one(aws: Running, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    publish(source)
    publish(source, name="letters")
    fetch(HERE, BUCKETS, "digits", folder)
    fetch(HERE, BUCKETS, "letters", folder)

    assert not (folder / "digits").exists()
    assert json.loads(tree(folder)[".set.json"])["name"] == "letters"


def test_an_incomplete_version_falls_back_to_the_previous_one(
    aws: Running, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = publish(source)
    second = publish(source, "better weights")
    lose(aws, second)

    assert fetch(HERE, BUCKETS, "digits", tmp_path / "models") == first
    assert f"{second.set_id} lacks " in capsys.readouterr().out


def test_missing_data_does_not_prevent_serving_the_model(aws: Running, source: Path, tmp_path: Path) -> None:
    manifest = publish(source)
    lose(aws, manifest, "data")

    assert fetch(HERE, BUCKETS, "digits", tmp_path / "models") == manifest


def test_without_a_complete_version_the_error_names_missing_objects(aws: Running, source: Path, tmp_path: Path) -> None:
    made = [publish(source), publish(source, "better weights")]
    for manifest in made:
        lose(aws, manifest)
    with pytest.raises(Failed, match="no version is complete") as caught:
        fetch(HERE, BUCKETS, "digits", tmp_path / "models")

    assert all(f"{manifest.set_id} lacks sets/digits/" in str(caught.value) for manifest in made)
    assert not (tmp_path / "models").exists()


def test_an_unknown_set_is_an_error_that_names_the_published_ones(aws: Running, source: Path, tmp_path: Path) -> None:
    publish(source)
    with pytest.raises(Missing, match="MODEL_SET to one of: digits"):
        fetch(HERE, BUCKETS, "ranker", tmp_path / "models")


def poison(aws: Running, manifest: Manifest) -> None:
    """Change a hash in a manifest: S3's checksums detect damage, but not a replaced object."""
    entries = tuple(replace(entry, sha256="0" * 64) for entry in manifest.entries if entry.part == "model")
    aws.client("s3", HERE).put_object(
        Bucket="registry", Key=manifest.key, Body=replace(manifest, entries=entries).to_json()
    )


def test_bytes_that_do_not_match_the_manifest_are_refused(aws: Running, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    manifest = publish(source)
    poison(aws, manifest)
    with pytest.raises(Failed, match=r"sha256 is \w+, but the manifest has"):
        fetch(HERE, BUCKETS, "digits", folder)

    assert tree(folder) == {}


def test_a_full_disk_is_reported_before_the_download(
    aws: Running, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(source)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 7, 3))
    with pytest.raises(Failed, match="disk full: 9 bytes needed, 3 free"):
        fetch(HERE, BUCKETS, "digits", tmp_path / "models")


def test_a_disk_that_fills_up_during_the_download_is_an_error(
    aws: Running, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(source)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model_sets, "download", full)
    with pytest.raises(Failed, match="disk full: No space left"):
        fetch(HERE, BUCKETS, "digits", tmp_path / "models")


@pytest.mark.parametrize("key", ["sets/digits/{id}/../../../etc/passwd", "elsewhere/model.joblib", "sets/digits/{id}"])
def test_a_key_outside_the_sets_prefix_is_refused(key: str) -> None:
    entry = model_sets.Entry("model", "models", key.format(id="1"), "v", 1, "00")
    with pytest.raises(Invalid, match="is not below sets/digits/1/"):
        fetch_models.files_of(Manifest("digits", "1", "", "", (entry,)))


def test_a_model_of_an_unknown_type_is_refused_unless_it_has_settings(
    aws: Running, source: Path, tmp_path: Path
) -> None:
    (source / "model.bin").write_text("weights")
    publication.publish(HERE, ALL, "other", [Item("model", "models", source / "model.bin")])
    with pytest.raises(Invalid, match=r"no runtime is known for model.bin \(model\)"):
        fetch(HERE, BUCKETS, "other", tmp_path / "models")
    (source / "model-settings.json").write_text('{"name": "other"}')
    items = [Item(name, "models", source / name) for name in ("model.bin", "model-settings.json")]
    publication.publish(HERE, ALL, "other", items)
    fetch(HERE, BUCKETS, "other", tmp_path / "models")

    assert tree(tmp_path / "models")["other/model-settings.json"] == '{"name": "other"}'


def test_an_interrupted_run_leaves_no_marker_and_the_next_run_completes(
    aws: Running, source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    manifest = publish(source, "w" * 100_000)
    aws.emulator.faults.add(parse({"kind": "region", "region": HERE, "slow": 0.5}))
    environment = {
        "AWS_REGION": HERE,
        "MODELS_BUCKET": "models",
        "REGISTRY_BUCKET": "registry",
        "MODEL_SET": "digits",
        "MODELS_FOLDER": str(folder),
    }
    with pods.started("fetch_models", tmp_path, environment) as process:
        assert process.stdout
        next(line for line in process.stdout if "files are intact" in line)
        process.kill()
        process.wait()
    aws.emulator.faults.clear()
    (folder / "digits").mkdir(exist_ok=True)
    (folder / "digits/model.joblib.part.0aF").write_text("half")

    assert ".set.json" not in tree(folder)
    assert fetch(HERE, BUCKETS, "digits", folder) == manifest
    assert "digits/model.joblib.part.0aF" not in tree(folder)


def test_pods_that_share_a_folder_fill_it_one_at_a_time(
    aws: Running, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(source)
    folder, started, waits, download = tmp_path / "models", threading.Event(), threading.Event(), model_sets.download
    lines: list[str] = []

    def log(text: str) -> None:
        lines.append(text)
        if "is being filled by another pod" in text:
            waits.set()

    def held_up(*args: Any) -> None:
        started.set()
        assert waits.wait(20)
        download(*args)

    monkeypatch.setattr(fetch_models, "log", log)
    monkeypatch.setattr(model_sets, "download", held_up)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(fetch, HERE, BUCKETS, "digits", folder)
        assert started.wait(20)
        second = pool.submit(fetch, HERE, BUCKETS, "digits", folder)

    assert first.result() == second.result()
    assert "2 of 2 files are intact" in lines


def test_transient_errors_are_retried(aws: Running, source: Path, tmp_path: Path) -> None:
    manifest = publish(source)
    aws.emulator.faults.add(parse({"kind": "operation", "operation": "s3:GetObject", "error": "SlowDown", "times": 1}))

    assert fetch(HERE, BUCKETS, "digits", tmp_path / "models") == manifest


def test_mlserver_serves_the_fetched_model_with_its_version(aws: Running, tmp_path: Path) -> None:
    trained = model_set.train(tmp_path)
    manifest = publication.publish(HERE, ALL, model_set.NAME, trained.items)
    fetch(HERE, BUCKETS, model_set.NAME, tmp_path / "models")
    pixels, _ = load_digits(return_X_y=True)

    async def predict() -> Any:
        (settings,) = await SchemalessModelRepository(str(tmp_path / "models")).list()
        model = settings.implementation(settings)
        assert await model.load()
        tensor = {"name": "pixels", "shape": [5, 64], "datatype": "FP64", "data": pixels[:5].ravel().tolist()}
        return await model.predict(InferenceRequest(inputs=[tensor]))

    answer = asyncio.run(predict())
    assert (answer.model_name, answer.model_version) == (model_set.NAME, manifest.set_id)
    expected = joblib.load(trained.folder / "model.joblib").predict(pixels[:5])
    assert list(answer.outputs[0].data) == expected.tolist()
