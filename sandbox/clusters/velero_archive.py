"""The archive of a backup of Velero, and what a restore makes of an object of it. Pure.

Sources: velero.io, "Output file format"; velero-io/velero, pkg/restore/restore.go (`resetMetadataAndStatus`,
`addRestoreLabels`) and pkg/restore/actions/csi/pvc_action.go.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.clusters.api import Thing

FORMAT = "1.1.0"
ITEM = re.compile(r"resources/([^/]+)/namespaces/([^/]+)/([^/]+)\.json")
KEPT = ("name", "namespace", "labels", "annotations")
"""Metadata that a restore keeps."""
CLAIMS = "persistentvolumeclaims"
BINDING = (
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
)
FIRST = (CLAIMS, "secrets", "configmaps")
"""Of the types that are restored in an order (velero.io, "Restore Reference"), those that this program backs up."""


class NotEmulatedError(Exception):
    """The model of Velero does not do this."""


def pack(items: Iterable[tuple[str, Thing]]) -> bytes:
    """Return an archive.

    Args:
        items: Objects with their resource types.
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        _add(archive, "metadata/version", FORMAT)
        for resource, thing in items:
            place = f"namespaces/{thing['metadata']['namespace']}/{thing['metadata']['name']}.json"
            for folder in (resource, f"{resource}/v1-preferredversion"):
                _add(archive, f"resources/{folder}/{place}", json.dumps(thing))
    return made.getvalue()


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(text.encode())
    archive.addfile(about, io.BytesIO(text.encode()))


def unpack(archive: bytes) -> list[tuple[str, Thing]]:
    """Return the objects of an archive with their resource types, in the order in which they are restored.

    Raises:
        OSError, EOFError, tarfile.TarError: It is damaged.
    """
    return sorted(_items(archive), key=lambda item: (FIRST.index(item[0]) if item[0] in FIRST else len(FIRST), item[0]))


def _items(archive: bytes) -> Iterator[tuple[str, Thing]]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        for member in opened:
            match, content = ITEM.fullmatch(member.name), opened.extractfile(member)
            if match and content:
                yield match[1], json.load(content)


def restored(resource: str, thing: Thing, namespace: str, restore: Thing) -> Thing:
    """Return the object that a restore creates.

    Args:
        resource: Its resource type.
        thing: The object in the archive.
        namespace: The namespace that it is restored to.
        restore: The restore.

    Raises:
        NotEmulatedError: The content of a volume would be restored.
    """
    made = copy.deepcopy(thing)
    made.pop("status", None)
    about = {key: value for key, value in made["metadata"].items() if key in KEPT}
    labels = {
        "velero.io/backup-name": restore["spec"]["backupName"],
        "velero.io/restore-name": restore["metadata"]["name"],
    }
    made["metadata"] = {**about, "namespace": namespace, "labels": {**about.get("labels", {}), **labels}}
    if resource == CLAIMS:
        _unbind(made, restore["spec"].get("restorePVs"))
    return made


def _unbind(claim: Thing, volumes: bool | None) -> None:
    notes = claim["metadata"].get("annotations", {})
    for each in BINDING:
        notes.pop(each, None)
    if volumes is not False and claim["spec"].get("volumeName"):
        raise NotEmulatedError("the sandbox does not move the data of volumes: set restorePVs to false")
    for each in ("volumeName", "dataSource", "dataSourceRef"):
        claim["spec"].pop(each, None)


def compressed(content: Any) -> bytes:
    """Return JSON as Velero stores it beside an archive."""
    return gzip.compress(json.dumps(content).encode())
