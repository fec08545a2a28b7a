from datetime import UTC, datetime, timedelta

import pytest

from components.data.backup_rules import BackupRule
from dr.topology.backups import COLD, TYPES, Backups, DataClass, class_of, every_class

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "schedule", "archive", "rpo"),
    [
        (1, "cron(0 * * * ? *)", "cron(0 0 1 * ? *)", 4),
        (2, "cron(0 0/2 * * ? *)", "cron(0 0 1 * ? *)", 6),
        (4, "cron(0 2/4 * * ? *)", "cron(0 2 1 * ? *)", 10),
        (12, "cron(0 2/12 * * ? *)", "cron(0 2 1 * ? *)", 26),
        (24, "cron(0 2 * * ? *)", "cron(0 2 1 * ? *)", 50),
    ],
)
def test_interval_decides_the_schedules_and_an_objective_that_one_failed_backup_does_not_miss(
    every: int, schedule: str, archive: str, rpo: int
) -> None:
    backups = Backups(DataClass.OBJECTS, every)

    assert (backups.schedule, backups.archive_schedule) == (schedule, archive)
    assert backups.rpo == timedelta(hours=rpo)
    assert BackupRule(schedule=schedule).schedule == schedule
    assert BackupRule(schedule=archive).schedule == archive


def test_each_resource_type_is_of_one_class() -> None:
    types = [kind for kinds in TYPES.values() for kind in kinds]

    assert len(types) == len(set(types))
    assert {class_of(kind) for kind in types} == set(DataClass)
    assert class_of("EKS") is None


def test_cold_storage_is_for_classes_with_a_type_that_aws_backup_moves() -> None:
    assert all(kind in TYPES[data] for data, kind in COLD.items())
    assert DataClass.OBJECTS not in COLD


def test_every_class_is_backed_up_by_default_and_none_is_archived() -> None:
    assert {each.data for each in every_class()} == set(DataClass)
    assert {each.archive_days for each in every_class()} == {None}
