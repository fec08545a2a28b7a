from datetime import UTC, datetime

import pytest

from dr.data.database_export import Task, choose, identifier, newest
from dr.data.global_database import Snapshot

ARN = "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:awsbackup:job-1"


@pytest.mark.parametrize(
    ("statuses", "again", "followed"),
    [
        ((), False, None),
        (("FAILED", "CANCELED"), False, None),
        (("FAILED", "STARTING"), False, 1),
        (("COMPLETE",), False, 0),
        (("COMPLETE",), True, None),
        (("COMPLETE", "IN_PROGRESS"), False, 1),
        (("COMPLETE", "IN_PROGRESS"), True, 1),
    ],
)
def test_a_task_that_runs_is_followed_and_a_complete_one_is_not_repeated(
    statuses: tuple[str, ...], again: bool, followed: int | None
) -> None:
    tasks = [Task(f"t-{number}", status) for number, status in enumerate(statuses)]

    assert choose(tasks, again) == (None if followed is None else tasks[followed])


def test_identifier_follows_from_the_snapshot_and_the_tasks_before_and_is_one_that_rds_accepts() -> None:
    first = identifier("ml-dr", ARN, 0)

    assert first == identifier("ml-dr", ARN, 0)
    assert first not in (identifier("ml-dr", ARN, 1), identifier("ml-dr", f"{ARN}2", 0))
    assert first[0].isalpha()
    assert len(identifier("a" * 30, ARN, 10)) <= 60


def test_newest_snapshot_of_both_clusters_is_exported() -> None:
    old, new = (Snapshot(f"s-{hour}", datetime(2026, 11, 29, hour, tzinfo=UTC)) for hour in (1, 2))

    assert newest([new, None, old]) == new
    assert newest([None]) is None
