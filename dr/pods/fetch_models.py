"""Fills a folder with the newest model set that is complete in this region, for an inference server to load.

Only buckets of the pod's own region are read, each object by the version ID and hash in the set's manifest. A manifest
may be replicated before its objects: then the previous version of the set is served, and the log says so. Only objects
of the pair "models" are required; `dr` checks whether the set's data and parameters are complete.

    <folder>/<set>/model.joblib         and the set's other files of that pair
    <folder>/<set>/model-settings.json  MLServer's settings of the model
    <folder>/.set.json                  name and version of the set; written last, so that it marks a complete set

The folder may outlive the pod, as a cache on its node: intact files are kept. Several pods may share it; one at a time
fills it. An interrupted run leaves nothing that the next run takes for complete.
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
from dr.data import hashes, model_sets
from dr.data.model_sets import Entry, Manifest
from dr.errors import Failed, Invalid, Problem
from dr.names import MODELS, REGISTRY, SETS
from dr.pods.run import log, run

MARK, LOCK, SETTINGS = ".set.json", ".lock", "model-settings.json"
IMPLEMENTATIONS = {
    ".joblib": "mlserver_sklearn.SKLearnModel",
    ".pickle": "mlserver_sklearn.SKLearnModel",
    ".pkl": "mlserver_sklearn.SKLearnModel",
    ".ubj": "mlserver_xgboost.XGBoostModel",
    ".bst": "mlserver_xgboost.XGBoostModel",
}
"""Inference runtime by file suffix (MLServer documentation, "Scikit-Learn runtime", "XGBoost runtime")."""


def main() -> None:
    """Fill the folder that the environment variables name."""
    settings = environment.read("AWS_REGION", "MODELS_BUCKET", "REGISTRY_BUCKET", "MODEL_SET", "MODELS_FOLDER")
    buckets = {MODELS: settings["MODELS_BUCKET"], REGISTRY: settings["REGISTRY_BUCKET"]}
    fetch(settings["AWS_REGION"], buckets, settings["MODEL_SET"], Path(settings["MODELS_FOLDER"]))


def fetch(region: str, buckets: Mapping[str, str], name: str, folder: Path) -> Manifest:
    """Fill a folder with a model set.

    Args:
        region: The pod's own region.
        buckets: Names of its buckets of the pairs "models" and "registry".
        name: The set's name.
        folder: The folder to fill.

    Returns:
        The manifest of the set in the folder.

    Raises:
        Missing: The region has no such set, or a bucket does not exist.
        Failed: No version is complete, an object's bytes do not match the manifest, or the disk is full.
        Invalid: The set has no model that can be served.
        Unreachable: The region does not answer.
    """
    manifest = choose(region, buckets, name)
    files = files_of(manifest)
    settings = server_settings(manifest, files)
    with _exclusive(folder):
        _fill(region, buckets, manifest, files, settings, folder)
    return manifest


def choose(region: str, buckets: Mapping[str, str], name: str) -> Manifest:
    """Return the newest version of a set with all models in the region, by version and size.

    Raises:
        Missing: The set has no version.
        Failed: No version is complete.
    """
    served = {MODELS: buckets[MODELS]}
    subject, incomplete = f"set {name} in {region}", []
    for manifest in model_sets.manifests(region, buckets, name):
        absent = model_sets.missing(region, served, manifest)
        if not absent:
            models = [entry for entry in manifest.entries if entry.pair == MODELS]
            log(f"set {name} {manifest.set_id}: {len(models)} objects, {sum(entry.size for entry in models):,} bytes")
            return manifest
        incomplete.append(f"{manifest.set_id} lacks {', '.join(entry.key for entry in absent)}")
        log(f"set {name} {incomplete[-1]}: incomplete, checking the previous version")
    if incomplete:
        raise Failed(
            Problem(
                subject,
                f"no version is complete: {'; '.join(incomplete)}",
                "wait for S3 replication, and check its latency",
            )
        )
    fact = f"s3://{buckets[REGISTRY]}/{SETS}{name}/ has no manifest"
    known = ", ".join(model_sets.names(region, buckets)) or "none"
    raise Missing(
        Problem(subject, fact, f"publish the set, wait for S3 replication, or set MODEL_SET to one of: {known}")
    )


def files_of(manifest: Manifest) -> dict[PurePosixPath, Entry]:
    """Return the set's objects of the pair "models", by their path below the set's folder.

    Raises:
        Invalid: There are none, or a path would be outside the folder.
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
        fact = 'it has no object in the pair "models"'
        raise Invalid(Problem(f"set {manifest.name} {manifest.set_id}", fact, "publish the set with a model"))
    return files


def server_settings(manifest: Manifest, files: Mapping[PurePosixPath, Entry]) -> str | None:
    """Return MLServer's settings of the model; the version in them is the set's ID, which every response reports.

    Returns:
        Their text; None if the set includes a settings file.

    Raises:
        Invalid: No runtime is known for the type of the model's file.
    """
    if PurePosixPath(SETTINGS) in files:
        return None
    for path, entry in files.items():
        if entry.part == "model" and path.suffix in IMPLEMENTATIONS:
            parameters = {"uri": f"./{path}", "version": manifest.set_id}
            values = {"name": manifest.name, "implementation": IMPLEMENTATIONS[path.suffix], "parameters": parameters}
            return json.dumps(values, indent=2)
    parts = ", ".join(f"{path} ({entry.part})" for path, entry in files.items())
    suffixes = ", ".join(IMPLEMENTATIONS)
    remedy = f'publish a file of the part "model" with suffix {suffixes}, or include a {SETTINGS} with the model'
    raise Invalid(Problem(f"set {manifest.name} {manifest.set_id}", f"no runtime is known for {parts}", remedy))


def _fill(
    region: str,
    buckets: Mapping[str, str],
    manifest: Manifest,
    files: Mapping[PurePosixPath, Entry],
    settings: str | None,
    folder: Path,
) -> None:
    target, mark = folder / manifest.name, folder / MARK
    previous = _read_mark(mark)
    with ThreadPoolExecutor(max_workers=8) as pool:
        intact = dict(zip(files, pool.map(lambda path: _intact(target / path, files[path]), files), strict=True))
    missing = {path: files[path] for path in files if not intact[path]}
    log(f"{len(files) - len(missing)} of {len(files)} files are intact")
    if previous and previous != manifest.name:
        shutil.rmtree(folder / previous, ignore_errors=True)  # otherwise the server would load it too
    mark.unlink(missing_ok=True)
    _tidy(target, {*files, *((PurePosixPath(SETTINGS),) if settings else ())})
    with _writing(folder):
        _check_free_space(folder, missing.values())
        for path in missing:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=8) as pool:
            pending = {
                path: pool.submit(model_sets.download, region, buckets, entry, target / path)
                for path, entry in missing.items()
            }
            for path, done in pending.items():
                done.result()
                log(f"{path}: {missing[path].size:,} bytes, sha256 {missing[path].sha256}")
        if settings:
            _write(target / SETTINGS, settings)
            log(f"{SETTINGS}: {json.loads(settings)['implementation']}")
        _write(mark, json.dumps({"name": manifest.name, "set_id": manifest.set_id, "digest": manifest.digest}))
    log(f"{target} has set {manifest.name} {manifest.set_id}, complete")


def _intact(path: Path, entry: Entry) -> bool:
    try:
        return path.stat().st_size == entry.size and hashes.hash_file(path) == entry.sha256
    except OSError:  # missing or unreadable: download it
        return False


def _read_mark(mark: Path) -> str | None:
    """Return the name of the set in the folder; None if it is not complete."""
    try:
        values: dict[str, Any] = json.loads(mark.read_text("utf-8"))
        name = PurePosixPath(values["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(name) if len(name.parts) == 1 and name.name not in ("", "..") else None


def _tidy(target: Path, files: set[PurePosixPath]) -> None:
    """Remove files of other versions and of interrupted runs from the set's folder."""
    for path in target.rglob("*") if target.is_dir() else ():
        if path.is_file() and PurePosixPath(path.relative_to(target).as_posix()) not in files:
            path.unlink()
            log(f"{path.name}: removed, not part of this version")


def _check_free_space(folder: Path, entries: Iterable[Entry]) -> None:
    needed, free = sum(entry.size for entry in entries), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes needed, {free:,} free")


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, "utf-8")
    part.replace(path)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Map errors of the disk to this project's errors."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "enlarge the volume: the emptyDir's sizeLimit, or the node's disk" if full else "check the volume"
        fact = f"{'disk full' if full else 'not writable'}: {error.strerror or error}"
        raise Failed(Problem(str(folder), fact, remedy)) from error


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock the folder until the block or the process ends; the kernel releases the lock of a dead process."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"{folder} is being filled by another pod: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    run(main)
