"""Compare restored objects of a cluster with what was backed up, and that with the cluster it came from. Pure.

A backup is a tar file (velero.io, "Output file format"). Fields that Velero or Kubernetes sets are left out of the
comparison: Velero removes them when it restores (pkg/restore/restore.go, `resetMetadataAndStatus`), adds labels of its
own, and separates claims from their volumes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dr.errors import Failed, Problem

ITEM = re.compile(r"(?:\./)?resources/(?P<resource>[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<name>[^/]+)\.json")
"""Path of an object in the archive. Objects are there a second time, below the version of their API."""
SYSTEM = ("velero.io/", "backup.velero.io/", "pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/")
"""Prefixes of labels and annotations that Velero and the controllers of volumes set."""
CLAIMS = "persistentvolumeclaims"
OF_A_VOLUME = frozenset({"volumeName", "dataSource", "dataSourceRef"})


@dataclass(frozen=True, order=True)
class Key:
    """An object.

    Args:
        resource: Its resource type in the plural.
        namespace: The namespace that it was backed up in.
        name: Its name.
    """

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource}/{self.name} of {self.namespace}"


@dataclass(frozen=True)
class Source:
    """An object in the cluster that was backed up.

    Args:
        digest: Its hash.
        changed: When it was created or changed last.
    """

    digest: str
    changed: datetime


def digest(resource: str, found: Mapping[str, Any]) -> str:
    """Return the hash of what was specified of an object."""
    about = found["metadata"]
    kept = {key: value for key, value in found.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    if resource == CLAIMS:
        kept["spec"] = {key: value for key, value in found["spec"].items() if key not in OF_A_VOLUME}
    for part in ("labels", "annotations"):
        notes = {key: value for key, value in (about.get(part) or {}).items() if not key.startswith(SYSTEM)}
        kept |= {part: notes} if notes else {}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def in_archive(archive: bytes, resources: Collection[str]) -> dict[Key, str]:
    """Return the hashes of the objects of an archive.

    Args:
        archive: The archive of a backup.
        resources: Resource types; Velero adds others to an archive, as namespaces.

    Raises:
        Failed: The archive cannot be read.
    """
    try:
        return dict(_items(archive, resources))
    except (OSError, EOFError, tarfile.TarError, ValueError, KeyError) as error:
        fact = f"it cannot be read: {type(error).__name__}: {error}"
        raise Failed(Problem("the archive of the backup", fact, "restore an older backup")) from error


def _items(archive: bytes, resources: Collection[str]) -> Iterator[tuple[Key, str]]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        for member in opened:
            match = ITEM.fullmatch(member.name)
            content = opened.extractfile(member) if match and match["resource"] in resources else None
            if match and content:
                key = Key(match["resource"], match["namespace"], match["name"])
                yield key, digest(key.resource, json.load(content))


def listed(resource: str, namespace: str, items: Iterable[Mapping[str, Any]]) -> dict[Key, str]:
    """Return the hashes of objects that an API server listed, as objects of a namespace."""
    return {Key(resource, namespace, each["metadata"]["name"]): digest(resource, each) for each in items}


def sources(resource: str, namespace: str, items: Iterable[Mapping[str, Any]]) -> dict[Key, Source]:
    """Return objects of the cluster that was backed up, with the time of their last change by its API server."""
    return {
        Key(resource, namespace, each["metadata"]["name"]): Source(digest(resource, each), _changed(each["metadata"]))
        for each in items
    }


def _changed(about: Mapping[str, Any]) -> datetime:
    times = [about["creationTimestamp"], *(each.get("time") for each in about.get("managedFields") or ())]
    return max(datetime.fromisoformat(each) for each in times if each)


def faults(backed_up: Mapping[Key, str], restored: Mapping[Key, str]) -> list[str]:
    """Return how restored objects differ from the backup."""
    found = [f"{key} is missing" for key in sorted(backed_up.keys() - restored.keys())]
    found += [f"{key} is not in the backup" for key in sorted(restored.keys() - backed_up.keys())]
    both = sorted(backed_up.keys() & restored.keys())
    return found + [f"{key} has another content" for key in both if backed_up[key] != restored[key]]


def source_faults(
    backed_up: Mapping[Key, str], source: Mapping[Key, Source], started: datetime
) -> tuple[list[str], int]:
    """Return how a backup differs from its source at that time, and how many objects changed since.

    Args:
        backed_up: Objects of the backup.
        source: Objects that the source has now.
        started: When the backup started, by the clock of the source's API server.
    """
    wrong, since = [], len(backed_up.keys() - source.keys())
    for key, now in sorted(source.items(), key=lambda pair: pair[0]):
        if backed_up.get(key) == now.digest:
            continue
        if now.changed >= started:
            since += 1
        elif key in backed_up:
            wrong.append(f"{key} has another content in the backup than in its cluster")
        else:
            wrong.append(f"{key} was not backed up")
    return wrong, since


def counted(keys: Iterable[Key]) -> str:
    """Return the number of objects by type as text."""
    counts = Counter(key.resource for key in keys)
    return f"{counts.total()} objects ({', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))})"
