"""Comparison of restored objects: one good restore, and what each difference is called."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.clusters import cluster_objects
from dr.clusters.cluster_objects import Key, Source
from dr.errors import Failed

STARTED = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)
KINDS = ("configmaps", "secrets", "persistentvolumeclaims")
RUNBOOK, LOGIN, DATA = (
    Key("configmaps", "ml-serving", "runbook"),
    Key("secrets", "mlflow", "login"),
    Key("persistentvolumeclaims", "ml-training", "data"),
)


def backed_up() -> dict[Key, dict[str, Any]]:
    labels = {"backup": "enabled"}
    claim = {"storageClassName": "gp3", "volumeName": "pvc-1", "resources": {"requests": {"storage": "1Gi"}}}
    about: dict[str, Any] = {"uid": "1", "resourceVersion": "7", "creationTimestamp": "2026-11-28T00:00:00Z"}
    return {
        RUNBOOK: {"metadata": {"name": "runbook", "labels": labels, **about}, "data": {"a": "1"}},
        LOGIN: {"metadata": {"name": "login", "labels": labels, **about}, "type": "Opaque", "data": {"p": "eA=="}},
        DATA: {
            "metadata": {
                **{"name": "data", "labels": labels, **about},
                "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
            },
            "spec": claim,
            "status": {"phase": "Bound"},
        },
    }


def restored() -> dict[Key, dict[str, Any]]:
    found = copy.deepcopy(backed_up())
    for each in found.values():
        each["metadata"] |= {"uid": "2", "creationTimestamp": "2026-11-29T12:00:00Z"}
        each["metadata"]["labels"] |= {"velero.io/restore-name": "drill", "velero.io/backup-name": "daily"}
    found[DATA]["metadata"].pop("annotations")
    found[DATA]["spec"].pop("volumeName")
    found[DATA]["status"] = {"phase": "Pending"}
    return found


def archive(objects: dict[Key, dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        for key, thing in objects.items():
            for folder in (key.resource, f"{key.resource}/v1-preferredversion"):
                content = json.dumps(thing).encode()
                about = tarfile.TarInfo(f"resources/{folder}/namespaces/{key.namespace}/{key.name}.json")
                about.size = len(content)
                opened.addfile(about, io.BytesIO(content))
    return made.getvalue()


def digests(objects: dict[Key, dict[str, Any]]) -> dict[Key, str]:
    return {key: cluster_objects.digest(key.resource, thing) for key, thing in objects.items()}


def test_restored_objects_equal_the_archive_although_their_system_fields_differ() -> None:
    expected = cluster_objects.in_archive(archive(backed_up()), KINDS)

    assert expected.keys() == {RUNBOOK, LOGIN, DATA}
    assert cluster_objects.faults(expected, digests(restored())) == []
    assert cluster_objects.counted(expected) == "3 objects (1 configmaps, 1 persistentvolumeclaims, 1 secrets)"


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        (RUNBOOK, ("data", "a"), "2"),
        (RUNBOOK, ("metadata", "labels"), {"backup": "enabled", "more": "1"}),
        (LOGIN, ("type",), "other"),
        (DATA, ("spec", "storageClassName"), "gp2"),
    ],
)
def test_each_other_content_is_a_fault(key: Key, path: tuple[str, ...], value: Any) -> None:
    found = restored()
    place: Any = found[key]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value

    assert cluster_objects.faults(digests(backed_up()), digests(found)) == [f"{key} has another content"]


def test_missing_and_foreign_objects_are_faults() -> None:
    found = digests(restored())
    found[Key("configmaps", "mlflow", "foreign")] = found.pop(RUNBOOK)

    assert cluster_objects.faults(digests(backed_up()), found) == [
        "configmaps/runbook of ml-serving is missing",
        "configmaps/foreign of mlflow is not in the backup",
    ]


def test_types_that_were_not_asked_for_are_left_out_of_the_archive() -> None:
    assert cluster_objects.in_archive(archive(backed_up()), ("secrets",)).keys() == {LOGIN}


@pytest.mark.parametrize("damage", [b"", b"not a tar file", archive(backed_up())[:200]])
def test_damaged_archive_is_an_error(damage: bytes) -> None:
    with pytest.raises(Failed, match="the archive of the backup"):
        cluster_objects.in_archive(damage, KINDS)


def source(key: Key, changed: datetime, **more: Any) -> dict[Key, Source]:
    thing = backed_up()[key] | more
    written = {"manager": "kubectl", "time": f"{changed:%Y-%m-%dT%H:%M:%SZ}"}
    thing["metadata"] = {**thing["metadata"], "managedFields": [written]}
    return cluster_objects.sources(key.resource, key.namespace, [thing])


BEFORE, AFTER = STARTED - timedelta(hours=1), STARTED + timedelta(hours=1)


def test_source_that_was_backed_up_completely_has_no_fault() -> None:
    found = source(RUNBOOK, BEFORE) | source(LOGIN, BEFORE) | source(DATA, BEFORE)

    assert cluster_objects.source_faults(digests(backed_up()), found, STARTED) == ([], 0)


def test_object_that_existed_before_and_is_not_in_the_backup_is_a_fault() -> None:
    held = digests(backed_up())
    del held[LOGIN]

    found = source(RUNBOOK, BEFORE) | source(LOGIN, BEFORE) | source(DATA, BEFORE)
    assert cluster_objects.source_faults(held, found, STARTED) == (["secrets/login of mlflow was not backed up"], 0)


def test_content_that_was_not_changed_since_and_differs_is_a_fault() -> None:
    found = source(RUNBOOK, BEFORE, data={"a": "2"}) | source(LOGIN, BEFORE) | source(DATA, BEFORE)

    (fault,) = cluster_objects.source_faults(digests(backed_up()), found, STARTED)[0]
    assert "runbook of ml-serving has another content in the backup" in fault


def test_what_was_written_or_deleted_since_is_counted_and_no_fault() -> None:
    held = digests(backed_up())
    newer = Key("configmaps", "mlflow", "newer")
    found = source(RUNBOOK, AFTER, data={"a": "2"}) | {newer: Source("1", AFTER)} | source(DATA, BEFORE)

    assert cluster_objects.source_faults(held, found, STARTED) == ([], 3)
