"""Runs of MLflow as model sets: folders of a file store, and a tracking server in memory."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dr.data import mlflow_run
from dr.errors import Failed, Invalid

FILES = {
    "meta.yaml": "run_id: 1",
    "params/C": "10.0",
    "params/optimizer/name": "adam",
    "metrics/accuracy": "1700000000000 0.91 0\n1700000001000 0.97 1\n",
    "tags/mlflow.user": "ada",
    "artifacts/model/MLmodel": "flavors: {}",
    "artifacts/model/data/model.pkl": "weights",
    "artifacts/confusion.png": "image",
}
"""A run in a file store, as MLflow writes it."""


def make(root: Path, **changes: str) -> Path:
    for name, text in {**FILES, **changes}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_run_of_a_file_store_has_its_parameters_last_metrics_and_artifacts(tmp_path: Path) -> None:
    folder, into = make(tmp_path / "run"), tmp_path / "into"
    into.mkdir()
    assert mlflow_run.is_run(folder)
    items = mlflow_run.items_of(mlflow_run.read_folder(folder), into)

    assert {item.key: item.part for item in items} == {
        "model/MLmodel": "model",
        "model/data/model.pkl": "model",
        "confusion.png": "metrics",
        "parameters.json": "parameters",
        "metrics.json": "metrics",
    }
    assert json.loads((into / "parameters.json").read_text()) == {"C": "10.0", "optimizer/name": "adam"}
    assert json.loads((into / "metrics.json").read_text()) == {"accuracy": 0.97}


def test_pattern_decides_the_part_of_an_artifact(tmp_path: Path) -> None:
    run = mlflow_run.read_folder(make(tmp_path))
    items = mlflow_run.items_of(run, tmp_path, [("*.png", "data")])

    assert {item.key: item.part for item in items}["confusion.png"] == "data"


def test_metric_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="not a metric of MLflow"):
        mlflow_run.read_folder(make(tmp_path, **{"metrics/accuracy": "high"}))


def test_folder_without_the_files_of_a_run_is_not_one(tmp_path: Path) -> None:
    assert not mlflow_run.is_run(tmp_path)


def test_run_of_a_server_that_is_not_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="MLFLOW_TRACKING_URI is not set"):
        mlflow_run.read_server("1", tmp_path)


def test_run_of_a_server_needs_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mlflow_run.SERVER, "http://127.0.0.1:5000")
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(Invalid, match="MLflow is not installed"):
        mlflow_run.read_server("1", tmp_path)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tracking server with one run, "1"."""
    source = make(tmp_path / "server") / "artifacts"

    class Client:
        def get_run(self, run_id: str) -> Any:
            if run_id != "1":
                raise LookupError(f"Run with id={run_id} not found")
            return SimpleNamespace(data=SimpleNamespace(params={"C": "10.0"}, metrics={"accuracy": 0.97}))

    monkeypatch.setenv(mlflow_run.SERVER, "http://127.0.0.1:5000")
    artifacts = SimpleNamespace(download_artifacts=lambda run_id, dst_path: str(source))
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=Client, artifacts=artifacts))
    return source


def test_run_of_a_server_has_its_parameters_metrics_and_artifacts(server: Path, tmp_path: Path) -> None:
    run = mlflow_run.read_server("1", tmp_path)

    assert (run.parameters, run.metrics, run.artifacts) == ({"C": "10.0"}, {"accuracy": 0.97}, server)


@pytest.mark.usefixtures("server")
def test_run_that_a_server_does_not_have_fails_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="Run with id=2 not found"):
        mlflow_run.read_server("2", tmp_path)
