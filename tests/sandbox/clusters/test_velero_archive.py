"""Archives of the sandbox's Velero, read by what reads Velero's own."""

from __future__ import annotations

from typing import Any

import pytest

from dr.clusters import cluster_objects
from sandbox.clusters import velero_archive
from sandbox.clusters.velero_archive import NotEmulatedError

CLAIM: dict[str, Any] = {
    "metadata": {
        **{"name": "data", "namespace": "ml-training", "uid": "1", "labels": {"backup": "enabled"}},
        "annotations": {"pv.kubernetes.io/bind-completed": "yes", "kept": "1"},
    },
    "spec": {"volumeName": "pvc-1", "storageClassName": "gp3"},
    "status": {"phase": "Bound"},
}
MAP: dict[str, Any] = {"metadata": {"name": "runbook", "namespace": "ml-serving"}, "data": {"a": "1"}}
ITEMS = [("configmaps", MAP), ("persistentvolumeclaims", CLAIM)]


def restore(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "drill"}, "spec": {"backupName": "daily", **spec}}


def test_archive_has_the_objects_that_the_product_reads_in_it() -> None:
    found = cluster_objects.in_archive(velero_archive.pack(ITEMS), ("configmaps", "persistentvolumeclaims"))

    assert {str(key) for key in found} == {
        "configmaps/runbook of ml-serving",
        "persistentvolumeclaims/data of ml-training",
    }


def test_archive_is_restored_claims_first() -> None:
    assert velero_archive.unpack(velero_archive.pack(ITEMS)) == ITEMS[::-1]


def test_restored_object_has_no_state_and_the_names_of_its_restore_and_backup() -> None:
    made = velero_archive.restored("persistentvolumeclaims", CLAIM, "scratch", restore(restorePVs=False))

    assert made["spec"] == {"storageClassName": "gp3"}
    assert "status" not in made
    assert made["metadata"] == {
        **{"name": "data", "namespace": "scratch", "annotations": {"kept": "1"}},
        "labels": {"backup": "enabled", "velero.io/backup-name": "daily", "velero.io/restore-name": "drill"},
    }


def test_data_of_a_volume_is_refused_and_not_left_out_in_silence() -> None:
    with pytest.raises(NotEmulatedError, match="restorePVs"):
        velero_archive.restored("persistentvolumeclaims", CLAIM, "scratch", restore())
