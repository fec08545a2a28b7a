"""Fills a folder with the newest model set whose models arrived whole in this region, for an inference server to load.

Only buckets of the own region are read, each object by the version id and hash of its set's manifest. A manifest may
arrive before its objects: then the set before it is served, and the log says so. What is served are the objects of the
pair "models"; whether a set's data and parameters arrived too is what `dr` asks, not what a server waits for.

    <folder>/<set>/model.joblib         and the set's other files of that pair
    <folder>/<set>/model-settings.json  what MLServer loads, and how
    <folder>/.set.json                  which set this is; written last, so that it is there only over a whole set

The folder may outlive the pod, as a warm copy on its node: what is intact there is kept. Several pods may share it: one
fills it at a time. A run that is killed leaves nothing that a second one would believe.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from dr import environment
from dr.clients import Missing
from dr.data import model_sets
from dr.data.model_sets import Entry, Manifest
from dr.errors import Failed, Invalid, Problem
from dr.names import MODELS, REGISTRY, SETS
from dr.pods.run import run, say

MARK, LOCK, SETTINGS = ".set.json", ".lock", "model-settings.json"
IMPLEMENTATIONS = {
    ".joblib": "mlserver_sklearn.SKLearnModel",
    ".pickle": "mlserver_sklearn.SKLearnModel",
    ".pkl": "mlserver_sklearn.SKLearnModel",
    ".ubj": "mlserver_xgboost.XGBoostModel",
    ".bst": "mlserver_xgboost.XGBoostModel",
}
"""Inference runtime by type of file (MLServer documentation, "Scikit-Learn runtime", "XGBoost runtime")."""


def main() -> None:
    """Fill the folder that the environment names."""
    given = environment.read("AWS_REGION", "MODELS_BUCKET", "REGISTRY_BUCKET", "MODEL_SET", "MODELS_FOLDER")
    buckets = {MODELS: given["MODELS_BUCKET"], REGISTRY: given["REGISTRY_BUCKET"]}
    fetch(given["AWS_REGION"], buckets, given["MODEL_SET"], Path(given["MODELS_FOLDER"]))


def fetch(region: str, buckets: Mapping[str, str], name: str, folder: Path) -> Manifest:
    """Fill a folder with a set.

    Args:
        region: The own region.
        buckets: Its buckets of the pairs "models" and "registry".
        name: The set's name.
        folder: Where to.

    Returns:
        The manifest of the set that is there now.

    Raises:
        Missing: there is no such set here, or a bucket is not there.
        Failed: no version of it arrived whole, an object's bytes are not the manifest's, or there is no room.
        Invalid: the set has nothing that can be served.
        Unreachable: the region does not answer.
    """
    manifest = choose(region, buckets, name)
    wanted = files_of(manifest)
    settings = server_settings(manifest, wanted)
    with _sole(folder):
        _fill(region, buckets, manifest, wanted, settings, folder)
    return manifest


def choose(region: str, buckets: Mapping[str, str], name: str) -> Manifest:
    """The newest version of a set whose models are here, by version and size.

    Raises:
        Missing: there is no version of it.
        Failed: there are, and none is whole.
    """
    served = {MODELS: buckets[MODELS]}
    where, late = f"set {name} in {region}", []
    for manifest in model_sets.manifests(region, buckets, name):
        gone = model_sets.missing(region, served, manifest)
        if not gone:
            models = [entry for entry in manifest.entries if entry.pair == MODELS]
            say(f"set {name} {manifest.set_id}: {len(models)} objects, {sum(entry.size for entry in models):,} bytes")
            return manifest
        late.append(f"{manifest.set_id} lacks {', '.join(entry.key for entry in gone)}")
        say(f"set {name} {late[-1]}: not whole yet, looking for the one before")
    if late:
        raise Failed(
            Problem(
                where, f"no version is whole yet: {'; '.join(late)}", "wait for S3 replication, and look at its lag"
            )
        )
    fact = f"s3://{buckets[REGISTRY]}/{SETS}{name}/ has no manifest"
    known = ", ".join(model_sets.names(region, buckets)) or "none"
    raise Missing(Problem(where, fact, f"publish it, wait for S3 replication, or set MODEL_SET to one of: {known}"))


def files_of(manifest: Manifest) -> dict[PurePosixPath, Entry]:
    """The set's objects of the pair "models", by the path they get below the set's folder.

    Raises:
        Invalid: there are none, or one would be put elsewhere.
    """
    prefix = PurePosixPath("sets") / manifest.name / manifest.set_id
    files = {}
    for entry in manifest.entries:
        if entry.pair == MODELS:
            key = PurePosixPath(entry.key)
            if not key.is_relative_to(prefix) or key == prefix or ".." in key.parts:
                fact = f"the key {entry.key} is not below {prefix}/"
                raise Invalid(Problem(f"set {manifest.name} {manifest.set_id}", fact, "publish the set again"))
            files[key.relative_to(prefix)] = entry
    if not files:
        fact = 'it has no object of the pair "models"'
        raise Invalid(Problem(f"set {manifest.name} {manifest.set_id}", fact, "publish it with its model"))
    return files


def server_settings(manifest: Manifest, files: Mapping[PurePosixPath, Entry]) -> str | None:
    """MLServer's settings of the model, whose version is the set's id, so that every answer tells it.

    Returns:
        Their text, or None where the set brings its own.

    Raises:
        Invalid: the model's file is of a type that no runtime is known for.
    """
    if PurePosixPath(SETTINGS) in files:
        return None
    for path, entry in files.items():
        if entry.part == "model" and path.suffix in IMPLEMENTATIONS:
            parameters = {"uri": f"./{path}", "version": manifest.set_id}
            values = {"name": manifest.name, "implementation": IMPLEMENTATIONS[path.suffix], "parameters": parameters}
            return json.dumps(values, indent=2)
    found = ", ".join(f"{path} ({entry.part})" for path, entry in files.items())
    known = ", ".join(IMPLEMENTATIONS)
    remedy = f'publish a file of the part "model" that is one of {known}, or a {SETTINGS} of your own with the model'
    raise Invalid(Problem(f"set {manifest.name} {manifest.set_id}", f"no server is known for {found}", remedy))


def _fill(
    region: str,
    buckets: Mapping[str, str],
    manifest: Manifest,
    wanted: Mapping[PurePosixPath, Entry],
    settings: str | None,
    folder: Path,
) -> None:
    target, mark = folder / manifest.name, folder / MARK
    before = _read_mark(mark)
    with ThreadPoolExecutor(max_workers=8) as pool:
        intact = dict(zip(wanted, pool.map(lambda path: _intact(target / path, wanted[path]), wanted), strict=True))
    lacking = {path: wanted[path] for path in wanted if not intact[path]}
    say(f"{len(wanted) - len(lacking)} of {len(wanted)} are there intact")
    if before and before != manifest.name:
        shutil.rmtree(folder / before, ignore_errors=True)  # a server would load it too
    mark.unlink(missing_ok=True)
    _tidy(target, {*wanted, *((PurePosixPath(SETTINGS),) if settings else ())})
    with _writing(folder):
        _refuse_without_room(folder, lacking.values())
        for path in lacking:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=8) as pool:
            pending = {
                path: pool.submit(model_sets.download, region, buckets, entry, target / path)
                for path, entry in lacking.items()
            }
            for path, done in pending.items():
                done.result()
                say(f"{path}: {lacking[path].size:,} bytes, sha256 {lacking[path].sha256}")
        if settings:
            _write(target / SETTINGS, settings)
            say(f"{SETTINGS}: {json.loads(settings)['implementation']}")
        _write(mark, json.dumps({"name": manifest.name, "set_id": manifest.set_id, "digest": manifest.digest}))
    say(f"{target} has set {manifest.name} {manifest.set_id}, whole")


def _intact(path: Path, entry: Entry) -> bool:
    try:
        return path.stat().st_size == entry.size and model_sets.hash_file(path) == entry.sha256
    except OSError:  # not there, or a disk that cannot be read: read it from S3
        return False


def _read_mark(mark: Path) -> str | None:
    """Name of the set that was here; none where it was not whole."""
    try:
        values: dict[str, Any] = json.loads(mark.read_text("utf-8"))
        name = PurePosixPath(values["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(name) if len(name.parts) == 1 and name.name not in ("", "..") else None


def _tidy(target: Path, wanted: set[PurePosixPath]) -> None:
    """Remove from the set's folder what is of another version, and what a killed run began."""
    for path in target.rglob("*") if target.is_dir() else ():
        if path.is_file() and PurePosixPath(path.relative_to(target).as_posix()) not in wanted:
            path.unlink()
            say(f"{path.name}: not of this version, removed")


def _refuse_without_room(folder: Path, lacking: Iterable[Entry]) -> None:
    needed, free = sum(entry.size for entry in lacking), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} are free")


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, "utf-8")
    part.replace(path)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Map what a disk can say to this project's errors."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "give the volume more room: an emptyDir's sizeLimit, or the node's disk" if full else "see the volume"
        fact = f"{'disk full' if full else 'cannot be written'}: {error.strerror or error}"
        raise Failed(Problem(str(folder), fact, remedy)) from error


@contextmanager
def _sole(folder: Path) -> Iterator[None]:
    """Alone in the folder, until the block or the process ends: the kernel gives a dead process's lock back."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{folder} is being filled by another pod: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    run(main)
