"""Whether the database of MLflow and its bucket are of one time: what either names that the other does not have.

A run may have no artifacts. So what a run had is known from the newest backup of the registry only, and a model has to
have its `MLmodel`. MLflow writes the row of a run before its artifacts, so a run in progress may lack some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dr.clients import calls, client
from dr.data import registry_backup, registry_rows
from dr.data.mlflow_run import MODEL
from dr.data.model_sets import Report
from dr.data.regions import Place
from dr.data.registry_backup import Backup
from dr.data.registry_rows import Row
from dr.errors import Exit
from dr.names import ARTIFACTS, REGISTRY


@dataclass(frozen=True)
class Lack:
    """An object that a row names and the bucket does not have.

    Args:
        row: The row.
        key: Key of the object; URI of a location outside the registry's bucket.
        version_id: Its version in the newest backup; "" if no backup has it.
        why: What is known about it.
    """

    row: str
    key: str
    version_id: str
    why: str


@dataclass(frozen=True)
class Unnamed:
    """An object that no row names.

    Args:
        key: Its key.
        version_id: Its current version.
        size: Size in bytes.
    """

    key: str
    version_id: str
    size: int


@dataclass(frozen=True)
class Agreement:
    """A comparison.

    Args:
        region: Region of the bucket.
        bucket: The bucket.
        rows: Number of rows by kind.
        objects: Number of objects.
        missing: Objects that the bucket does not have: the database is newer, or they were deleted.
        unnamed: Objects that no row names: the bucket is newer, or rows were deleted.
        backup: Time of the newest backup, ISO 8601; "" without one.
    """

    region: str
    bucket: str
    rows: Mapping[str, int]
    objects: int
    missing: tuple[Lack, ...]
    unnamed: tuple[Unnamed, ...]
    backup: str = ""

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command."""
        return Exit.FAILED if self.missing or self.unnamed else Exit.OK


def compare(
    rows: Sequence[Row], objects: Iterable[Unnamed], backup: Backup | None, buckets: Mapping[str, str]
) -> tuple[tuple[Lack, ...], tuple[Unnamed, ...]]:
    """Return what the bucket lacks, and what no row names. Pure.

    Args:
        rows: Rows of the database.
        objects: Current objects below the prefix of artifacts.
        backup: The newest backup of the registry; None without one.
        buckets: Prefix of artifacts by name of a bucket in which the registry keeps them.
    """
    held = {each.key: each for each in objects}
    saved = {each.key: each for each in backup.objects if each.key.startswith(ARTIFACTS)} if backup else {}
    missing, named = list[Lack](), dict[str, Row]()
    for row in rows:
        path = registry_rows.path_of(row.location, buckets)
        if path is None:
            if row.complete:
                missing.append(Lack(row.title, row.location, "", "its location is not in the registry's bucket"))
            continue
        named.setdefault(f"{ARTIFACTS}{path}", row)
        key = f"{ARTIFACTS}{path}{MODEL}"
        if row.complete and key not in held and key not in saved:
            missing.append(Lack(row.title, key, "", "no backup has it: the database is newer than the bucket"))
    for key, each in saved.items():
        if key not in held and (owner := _owner(key, named)):
            why = f"deleted since the backup of {backup.created if backup else ''}"
            missing.append(Lack(owner.title, key, each.version_id, why))
    return tuple(missing), tuple(each for key, each in held.items() if _owner(key, named) is None)


def _owner(key: str, named: Mapping[str, Row]) -> Row | None:
    """Return the row that names the nearest folder above a key."""
    folder = key
    while "/" in folder[:-1]:
        folder = f"{folder[:-1].rpartition('/')[0]}/" if folder.endswith("/") else f"{folder.rpartition('/')[0]}/"
        if folder in named:
            return named[folder]
    return None


def run(place: Place, other: Place, url: str, report: Report) -> Agreement:
    """Compare a tracking server with the registry bucket of a region.

    Args:
        place: The region.
        other: The other region: rows may name its bucket.
        url: URL of the tracking server.
        report: Called with progress.

    Raises:
        Failed: The server refused a call.
        Unreachable: The region does not answer.
    """
    report(f"reading rows of {url}", None)
    rows = registry_rows.read(url)
    region, bucket = place.region, place.buckets[REGISTRY]
    objects = list[Unnamed]()
    with calls(f"s3://{bucket}/{ARTIFACTS}", region):
        pages = client("s3", region).get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=ARTIFACTS)
        for page in pages:
            objects += [
                Unnamed(each["Key"], each["VersionId"], each["Size"])
                for each in page.get("Versions", ())
                if each["IsLatest"]
            ]
            report(f"{len(objects):,} objects listed", None)
    newest = next(iter(registry_backup.manifests(region, bucket)), None)
    backup = registry_backup.read(region, bucket, newest) if newest else None
    buckets = {each.buckets[REGISTRY]: ARTIFACTS for each in (place, other)}
    missing, unnamed = compare(rows, objects, backup, buckets)
    kinds = ("run", "logged model", "model version")
    counts = {kind: sum(row.kind == kind for row in rows) for kind in kinds}
    return Agreement(region, bucket, counts, len(objects), missing, unnamed, backup.created if backup else "")
