"""Velero's objects as values."""

from __future__ import annotations

from typing import Any

import pytest

from components.kubernetes import protection_spec
from dr.clusters import velero
from dr.clusters.velero import Restore, backup_of, newest
from dr.topology import writers
from dr.topology.topology import Role
from tests.support.kubernetes import protection


def backup(name: str, phase: str = "Completed", started: str = "2026-11-29T02:00:00Z") -> dict[str, Any]:
    spec = protection_spec.schedule(protection(Role.PRIMARY))["spec"]["template"]
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase, "startTimestamp": started}}


def test_backup_of_the_deployed_schedule_names_what_it_holds() -> None:
    found = backup_of(backup("daily"))

    assert found.namespaces == ("ml-serving", "ml-training", "mlflow")
    assert found.resources == ("persistentvolumeclaims", "configmaps", "secrets")
    assert found.selector == "backup=enabled"


def test_backup_without_a_status_is_new_and_cannot_be_restored() -> None:
    found = backup_of({"metadata": {"name": "daily"}, "spec": {}})

    assert (found.phase, found.started, newest([found])) == ("New", None, None)


def test_newest_completed_backup_is_chosen() -> None:
    found = [
        backup_of(backup("older")),
        backup_of(backup("newer", started="2026-11-29T03:00:00Z")),
        backup_of(backup("partly", "PartiallyFailed", "2026-11-29T04:00:00Z")),
    ]
    chosen = newest(found)

    assert chosen
    assert chosen.name == "newer"


@pytest.mark.parametrize(
    ("status", "restore"),
    [
        (None, Restore("drill", "New")),
        ({"phase": "Completed", "warnings": 1}, Restore("drill", "Completed")),
        ({"phase": "PartiallyFailed", "errors": 2}, Restore("drill", "PartiallyFailed", "2 errors")),
        ({"phase": "Failed", "failureReason": "no archive"}, Restore("drill", "Failed", "no archive")),
        ({"phase": "FailedValidation", "validationErrors": ["a"]}, Restore("drill", "FailedValidation", "a")),
    ],
)
def test_state_of_a_restore_has_its_reasons(status: dict[str, Any] | None, restore: Restore) -> None:
    found = {"metadata": {"name": "drill"}, **({"status": status} if status else {})}

    assert velero.restore_of(found) == restore


def test_backups_are_those_of_the_deployed_schedule() -> None:
    made = protection_spec.schedule(protection(Role.PRIMARY))

    assert f"velero.io/schedule-name={made['metadata']['name']}" == velero.SCHEDULED
    assert writers.LOCATION.path.startswith(velero.SPACE)
