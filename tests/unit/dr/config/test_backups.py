"""Entries of `dr:backups`, read from a stack's configuration."""

import json

import pytest

from dr.config import reader
from dr.errors import Invalid
from dr.topology.backups import DataClass
from tests.support.builders import ACCOUNT, settings

VOLUMES = {"data": "volumes", "everyHours": 4, "retentionDays": 14, "archiveDays": 365}


def test_an_entry_changes_only_its_class_of_data() -> None:
    made = reader.read(settings(backups=json.dumps([VOLUMES]), backupRetentionDays="20")).topology(ACCOUNT)

    volumes, objects = made.backups_of(DataClass.VOLUMES), made.backups_of(DataClass.OBJECTS)
    assert (volumes.every_hours, volumes.retention_days, volumes.archive_days, volumes.cold_days) == (4, 14, 365, 30)
    assert (objects.every_hours, objects.retention_days, objects.archive_days) == (12, 20, None)
    assert len(made.backups) == len(DataClass)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "tapes"}, "use objects, volumes, files or databases"),
        ({"everyHours": 5}, "5 h does not divide a day"),
        ({"everyHours": 25}, "dr:backups[0].everyHours"),
        ({"retentionDays": 0}, "dr:backups[0].retentionDays"),
        ({"completeHours": 1}, "dr:backups[0].completeHours"),
        ({"archivDays": 365}, 'did you mean "archiveDays"?'),
        ({"data": "objects"}, "AWS Backup moves no resource type of objects to cold storage"),
        ({"data": "databases"}, "cold storage is for volumes (EBS), files (EFS)"),
        ({"archiveDays": 119}, "set 120 or more, or fewer coldDays"),
        ({"archiveDays": 120, "retentionDays": 120}, "every backup is kept for 120 days in warm storage"),
        ({"archiveDays": None, "coldDays": 7}, "no backup moves to cold storage"),
    ],
)
def test_an_invalid_entry_is_refused_with_its_key_and_the_fix(changes: dict[str, object], message: str) -> None:
    entry = {name: value for name, value in {**VOLUMES, **changes}.items() if value is not None}

    with pytest.raises(Invalid) as caught:
        reader.read(settings(backups=json.dumps([entry])))

    assert message in str(caught.value)


def test_two_entries_about_one_class_are_refused() -> None:
    with pytest.raises(Invalid, match="two entries are about the same class of data"):
        reader.read(settings(backups=json.dumps([VOLUMES, VOLUMES])))


def test_a_retention_that_a_locked_vault_does_not_accept_is_refused() -> None:
    short = json.dumps([{"data": "volumes", "retentionDays": 6}])

    with pytest.raises(Invalid, match="is 7, and backups of volumes are kept for 6 days"):
        reader.read(settings(backups=short))
    assert reader.read(settings(backups=short, vaultLockDays="6")).vault_lock_days == 6
    assert reader.read(settings(backups=short, vaultLock="none")).vault_lock_days == 7


def test_break_glass_role_that_is_not_a_role_is_refused() -> None:
    with pytest.raises(Invalid, match="is not a valid ARN of an IAM role"):
        reader.read(settings(breakGlassRole="break-glass"))
