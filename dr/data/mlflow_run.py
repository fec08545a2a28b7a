"""A run of MLflow as a model set: its parameters, metrics and artifacts.

A run is read from its folder in a file store, without MLflow (mlflow, store/tracking/file_store.py: `params/` has a
file for each parameter, `metrics/` one for each metric with lines of time, value and step, `artifacts/` the artifacts).
Where `mlflow` can be imported, a run is also read by its ID from the tracking server of MLFLOW_TRACKING_URI.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dr.data.publication import Item
from dr.data.set_folder import PARTS, files, part_of
from dr.errors import Failed, Invalid, Problem

SERVER = "MLFLOW_TRACKING_URI"
"""Environment variable with the address of the tracking server (MLflow documentation, "Tracking Server")."""
MODEL = "MLmodel"
"""File in the folder of a model (MLflow documentation, "MLflow Models", "Storage Format")."""


@dataclass(frozen=True)
class Run:
    """A run.

    Args:
        parameters: Its parameters.
        metrics: The last value of each metric.
        artifacts: Local folder of its artifacts.
    """

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: Path


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run in a file store."""
    return (folder / "meta.yaml").is_file() and (folder / "artifacts").is_dir()


def read_folder(folder: Path) -> Run:
    """Return a run from its folder in a file store.

    Raises:
        Invalid: A metric cannot be read.
    """
    parameters = {str(name): path.read_text("utf-8") for path, name in files(folder / "params")}
    metrics = {}
    for path, name in files(folder / "metrics"):
        try:
            metrics[str(name)] = float(path.read_text("utf-8").splitlines()[-1].split()[1])
        except (IndexError, ValueError) as error:
            fact = f"not a metric of MLflow: {error}"
            raise Invalid(Problem(str(path), fact, "repair or remove the file")) from error
    return Run(parameters, metrics, folder / "artifacts")


def read_server(run_id: str, into: Path) -> Run:
    """Return a run from the tracking server, and download its artifacts.

    Args:
        run_id: ID of the run.
        into: An empty folder for the artifacts.

    Raises:
        Invalid: MLFLOW_TRACKING_URI is not set, or MLflow cannot be imported.
        Failed: MLflow reported an error.
    """
    if not os.environ.get(SERVER):
        # Without it, MLflow creates an empty store in the current folder.
        remedy = "name the tracking server in it, or the folder of the run instead of --run"
        raise Invalid(Problem("--run", f"{SERVER} is not set", remedy))
    try:
        mlflow: Any = importlib.import_module("mlflow")
    except ImportError as error:
        remedy = "`pip install mlflow` into the environment of `dr`, or name the folder of the run instead"
        raise Invalid(Problem("--run", "MLflow is not installed", remedy)) from error
    try:
        found = mlflow.MlflowClient().get_run(run_id).data
        artifacts = Path(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(into)))
    except Exception as error:  # MLflow raises errors of its stores and of HTTP libraries
        remedy = f"check {SERVER} and the ID of the run"
        raise Failed(Problem(f"MLflow run {run_id}", f"{type(error).__name__}: {error}", remedy)) from error
    return Run(dict(found.params), dict(found.metrics), artifacts)


def items_of(run: Run, into: Path, rules: Sequence[tuple[str, str]] = ()) -> list[Item]:
    """Return a run as items of a set.

    Artifacts in the folder of a model are the model. Others, as plots and reports, are stored with the metrics.

    Args:
        run: The run.
        into: An existing folder, which gets the files of parameters and metrics.
        rules: Patterns of artifacts with their parts (`set_folder.part_of`), which precede.
    """
    listed = list(files(run.artifacts))
    models = {name.parent for _, name in listed if name.name == MODEL}

    def of(name: PurePosixPath) -> str:
        return part_of(name, rules) or ("model" if any(name.is_relative_to(each) for each in models) else "metrics")

    items = [Item(part := of(name), PARTS[part], path, str(name)) for path, name in listed]
    for part, values in (("parameters", run.parameters), ("metrics", run.metrics)):
        if values:
            path = into / f"{part}.json"
            path.write_text(json.dumps(dict(sorted(values.items())), indent=2) + "\n", "utf-8")
            items.append(Item(part, PARTS[part], path))
    return items
