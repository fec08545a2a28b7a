"""Inputs of inference requests, and the predictions of the published model for them, run on this machine."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dr.data import model_sets
from dr.errors import Failed, Problem
from dr.names import REGISTRY, SETS
from sandbox.model_set import NAME

INFER_PATH = f"/v2/models/{NAME}/infer"


class Predictions:
    """Predictions by version of the model, for each row of the training data. A version is read once.

    Args:
        buckets: Buckets of each region, by pair.
    """

    def __init__(self, buckets: Mapping[str, Mapping[str, str]]) -> None:
        from sklearn.datasets import load_digits

        self._buckets = buckets
        pixels, _ = load_digits(return_X_y=True)
        self.rows: list[list[float]] = pixels.tolist()
        self._lock = threading.Lock()
        self._tables: dict[str, list[Any]] = {}

    def prepare(self, region: str) -> None:
        """Read the newest published version of a region, so that later answers need no call to it.

        Raises:
            DrError: The region does not answer, or has no version.
        """
        newest = model_sets.newest(region, self._buckets[region], NAME)
        if newest is None:
            fact, remedy = f"{region} has no version of it", "`make up` publishes one"
            raise Failed(Problem(f"model set {NAME}", fact, remedy))
        self.of(region, newest.set_id, 0)

    def of(self, region: str, version: str, row: int) -> Any:
        """Return a version's prediction for a row of the training data.

        Args:
            region: Region whose bucket has the version.
            version: Version of the model.
            row: Number of the row.

        Raises:
            DrError: The version cannot be read.
        """
        with self._lock:
            if version not in self._tables:
                self._tables[version] = predictions_of(region, self._buckets[region], version, self.rows)
            return self._tables[version][row]


def predictions_of(region: str, buckets: Mapping[str, str], version: str, rows: list[list[float]]) -> list[Any]:
    """Load a version of the model from the region's bucket, and return its predictions.

    Raises:
        Failed: The region does not have the version, the object differs from its manifest, or it cannot predict.
    """
    import joblib

    subject = f"model set {NAME} {version}"
    manifest = next((each for each in model_sets.manifests(region, buckets, NAME) if each.set_id == version), None)
    entry = next((each for each in manifest.entries if each.part == "model"), None) if manifest else None
    if entry is None:
        fact = f"{region} answers with a version that its registry does not have"
        remedy = f"look at s3://{buckets[REGISTRY]}/{SETS}{NAME}/"
        raise Failed(Problem(subject, fact, remedy))
    with tempfile.TemporaryDirectory(prefix="ml-dr-") as folder:
        path = Path(folder) / "model.joblib"
        model_sets.download(region, buckets, entry, path)
        try:
            return list(joblib.load(path).predict(rows).tolist())
        except Exception as error:  # a file of another kind fails in any way
            fact = f"{entry.key} does not predict {len(rows[0])} pixels: {type(error).__name__}: {error}"
            serves = "the sandbox serves models of scikit-learn, stored by joblib"
            remedy = f"{serves}; `dr sets restore` makes an older version the newest one again"
            raise Failed(Problem(subject, fact, remedy)) from error
