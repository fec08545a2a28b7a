"""`dr sets publish`: a folder or a run of MLflow as a new version of a model set in one region."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dr.clients import Missing
from dr.data import mlflow_run, model_sets, publication, set_folder
from dr.data.model_sets import Manifest, Probe, Report
from dr.data.publication import Item
from dr.data.regions import Place
from dr.errors import Invalid, Problem, Refused
from dr.names import REGISTRY


@dataclass(frozen=True)
class Source:
    """What is published.

    Args:
        folder: The folder, or the folder of a run of MLflow; None for a run of a tracking server.
        run_id: ID of that run; empty for a folder.
        rules: Texts PATTERN=PART.
        data: Files and folders that are data as well.
        without: Parts that the set may lack.
    """

    folder: Path | None
    run_id: str = ""
    rules: Sequence[str] = ()
    data: Sequence[Path] = ()
    without: Sequence[str] = ()


@dataclass(frozen=True)
class Published:
    """Result of the command.

    Args:
        region: The region that was written to.
        manifest: The manifest.
        kept: Whether the newest version had the same content, so that nothing was written.
    """

    region: str
    manifest: Manifest
    kept: bool


def run(
    place: Place, name: str, source: Source, report: Report, probe: Probe | None = None, image: str = ""
) -> Published:
    """Publish a set.

    Args:
        place: The region to write to.
        name: Name of the set.
        source: What is published.
        report: Receives the progress.
        probe: A request with its known answer.
        image: Digest of the image that serves the model.

    Raises:
        Invalid: The source is not a set; all problems are reported together.
        Refused: The region has no registry bucket.
        Failed: S3 refused an object.
        Unreachable: The region does not answer.
    """
    with _items(source) as items:
        set_folder.check(name, items, source.without)
        try:
            before = model_sets.versions(place.region, place.buckets, name)
        except Missing as error:
            fact = f"not deployed: {place.region} has no bucket {place.buckets[REGISTRY]}"
            raise Refused(Problem("the primary stack", fact, "run `pulumi up -s primary`")) from error
        report(f"reading {len(items):,} files", None)
        manifest = publication.publish(place.region, place.buckets, name, items, report, probe, image)
    return Published(place.region, manifest, manifest.set_id in before)


@contextmanager
def _items(source: Source) -> Iterator[list[Item]]:
    if (source.folder is None) is not bool(source.run_id):
        raise Invalid(Problem("FOLDER", "name a folder, or a run with --run, and not both", "see `-h`"))
    rules = set_folder.parse_rules(source.rules)
    with tempfile.TemporaryDirectory(prefix="dr-sets-") as made:
        folder, into = source.folder, Path(made)
        if folder is None:
            (into / "artifacts").mkdir()
            items = mlflow_run.items_of(mlflow_run.read_server(source.run_id, into / "artifacts"), into, rules)
        elif mlflow_run.is_run(folder):
            items = mlflow_run.items_of(mlflow_run.read_folder(folder), into, rules)
        else:
            items = set_folder.items_of(folder, rules)
        yield [*items, *_data(source.data)]


def _data(paths: Sequence[Path]) -> Iterator[Item]:
    for path in paths:
        if path.is_dir():
            listed = [(file, f"data/{path.name}/{name}") for file, name in set_folder.files(path)]
        elif path.is_file():
            listed = [(path, f"data/{path.name}")]
        else:
            raise Invalid(Problem("--data", f"{path} does not exist", "name a file or a folder"))
        for file, name in listed:
            yield Item("data", set_folder.PARTS["data"], file, name)


def read_probe(path: Path) -> Probe:
    """Return a probe from a JSON file with `request` and `outputs`.

    Raises:
        Invalid: The file is not a probe.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
        return Probe(dict(values["request"]), tuple(values["outputs"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        fact = f"not a probe: {type(error).__name__}: {error}"
        remedy = 'write {"request": <body of an inference request>, "outputs": [<data of each output>]}'
        raise Invalid(Problem(str(path), fact, remedy)) from error
