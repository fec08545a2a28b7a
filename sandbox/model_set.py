"""Model set of the sandbox: a small, real classifier, trained in seconds on scikit-learn's digits dataset.

`make up` publishes it in the primary region and reads all of it from the recovery region. It has data, parameters,
metrics and a model, which an inference server can load.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from dr.data import copies, model_sets, publication
from dr.data.model_sets import Probe
from dr.data.publication import Item
from dr.operations.steps import Report, State, Step, Verdict

NAME, PROBE = "digits", "probe.json"
PARAMETERS: Mapping[str, Any] = {
    "algorithm": "sklearn.svm.SVC",
    "C": 10.0,
    "gamma": 0.001,
    "random_state": 7,
    "test_size": 0.25,
}
"""All inputs of the training, except data and library versions."""


class HasRegions(Protocol):
    """Regions and buckets of the steps."""

    @property
    def primary_region(self) -> str:
        """Name of the primary region."""

    @property
    def recovery_region(self) -> str:
        """Name of the recovery region."""

    def buckets(self, region: str) -> Mapping[str, str]:
        """Return the buckets of a region, by pair."""


@dataclass(frozen=True)
class Trained:
    """Files of a trained model.

    Args:
        folder: Folder of the files.
    """

    folder: Path

    @property
    def items(self) -> list[Item]:
        """Files as parts of the model set, each with its bucket pair."""
        return [
            Item("data", "datasets", self.folder / "digits.csv"),
            Item("parameters", "registry", self.folder / "parameters.json"),
            Item("metrics", "registry", self.folder / "metrics.json"),
            Item("model", "models", self.folder / "model.joblib"),
        ]

    @property
    def probe(self) -> Probe:
        """A request with the answer of the trained model."""
        found = json.loads((self.folder / PROBE).read_text())
        return Probe(found["request"], tuple(found["outputs"]))


def infer_request(row: list[float]) -> dict[str, Any]:
    """Return the body of an inference request (Open Inference Protocol, version 2)."""
    return {"inputs": [{"name": "predict", "shape": [1, len(row)], "datatype": "FP32", "data": row}]}


def train(folder: Path) -> Trained:
    """Train the classifier and write data, parameters, metrics and model to a folder. The result is deterministic.

    Args:
        folder: An existing, empty folder.
    """
    import joblib
    import numpy
    import sklearn
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.svm import SVC

    pixels, labels = load_digits(return_X_y=True)
    table = numpy.column_stack([pixels, labels])
    numpy.savetxt(folder / "digits.csv", table, fmt="%d", delimiter=",")
    seed = PARAMETERS["random_state"]
    x_train, x_test, y_train, y_test = train_test_split(
        pixels, labels, test_size=PARAMETERS["test_size"], random_state=seed, stratify=labels
    )
    model = SVC(C=PARAMETERS["C"], gamma=PARAMETERS["gamma"])
    model.fit(x_train, y_train)
    joblib.dump(model, folder / "model.joblib")
    parameters = {**PARAMETERS, "scikit-learn": sklearn.__version__, "numpy": numpy.__version__}
    metrics = {"accuracy": round(float(model.score(x_test, y_test)), 4), "test_samples": len(y_test)}
    for name, values in (("parameters", parameters), ("metrics", metrics)):
        (folder / f"{name}.json").write_text(json.dumps(values, indent=2) + "\n")
    row = x_test[0].tolist()
    probe = {"request": infer_request(row), "outputs": [model.predict([row]).tolist()]}
    (folder / PROBE).write_text(json.dumps(probe) + "\n")
    return Trained(folder)


def steps() -> list[Step[HasRegions]]:
    """Return the steps: publish in the primary region, then verify the replica in the recovery region."""
    return [
        Step(
            name="publish-set",
            title="Train and publish the model set",
            evaluate=_published,
            act=_publish,
            expected=timedelta(seconds=5),
        ),
        Step(
            name="verify-replica",
            title="Read the set from its replica",
            evaluate=_replicated,
            act=_wait_for_replication,
            timeout=timedelta(minutes=2),
            expected=timedelta(seconds=2),
        ),
    ]


def _published(world: HasRegions) -> Verdict:
    """Check that the primary region has all objects of the newest version; an incomplete one is published again."""
    region = world.primary_region
    manifest = model_sets.newest(region, world.buckets(region), NAME)
    if manifest is None:
        return Verdict(State.NEEDED, f"{region} holds no set {NAME}")
    return _whole(world, region, manifest)


def _publish(world: HasRegions, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="ml-dr-") as folder:
        report("training a classifier of handwritten digits", None)
        trained = train(Path(folder))
        region = world.primary_region
        publication.publish(region, world.buckets(region), NAME, trained.items, report, trained.probe)


def _replicated(world: HasRegions) -> Verdict:
    """Check that the recovery region has an identical copy of the primary region's newest version."""
    manifest = model_sets.newest(world.primary_region, world.buckets(world.primary_region), NAME)
    if manifest is None:
        return Verdict(State.NEEDED, f"{world.primary_region} holds no set {NAME}")
    region = world.recovery_region
    copy = model_sets.newest(region, world.buckets(region), NAME)
    if copy != manifest:
        return Verdict(State.NEEDED, f"the manifest of {manifest.set_id} has not arrived in {region}")
    return _whole(world, region, copy)


def _wait_for_replication(world: HasRegions, report: Report) -> None:
    """Report only: S3 replicates the objects, and `verify` polls until they have arrived."""
    report(f"waiting for {world.recovery_region}", None)


def _whole(world: HasRegions, region: str, manifest: model_sets.Manifest) -> Verdict:
    found = copies.read_copies(region, world.buckets(region), manifest)
    intact = [copy for copy in found if copy.intact]
    detail = f"{manifest.set_id}: {len(intact)} of {len(found)} objects intact in {region}, {manifest.size:,} bytes"
    return Verdict(State.DONE if len(intact) == len(found) else State.NEEDED, detail)


def hashes(world: HasRegions) -> dict[str, dict[str, str]]:
    """Return the SHA-256 hashes of the objects in each region, by part and region.

    Raises:
        DrError: A region does not answer.
    """
    regions = (world.primary_region, world.recovery_region)
    found: dict[str, dict[str, str]] = {}
    for region in regions:
        manifest = model_sets.newest(region, world.buckets(region), NAME)
        for copy in copies.read_copies(region, world.buckets(region), manifest) if manifest else []:
            found.setdefault(copy.entry.part, {})[region] = copy.sha256 or "missing"
    return found
