from datetime import UTC, datetime, timedelta

import pytest

from dr.findings import Status
from dr.operations.readiness_backups import judge
from dr.topology.backups import Backups, DataClass

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(("hours", "status"), [(10, Status.MET), (10.1, Status.MISSED), (-1, Status.MET)])
def test_a_copy_is_judged_by_the_objective_of_its_class(hours: float, status: Status) -> None:
    found = judge(Backups(DataClass.VOLUMES, every_hours=4), NOW - timedelta(hours=hours), "us-west-2", NOW)

    assert (found.name, found.status) == ("copies of volumes in us-west-2", status)
    assert found.objective == "at most 10 h old"


def test_a_class_without_a_copy_is_not_reported_as_met() -> None:
    found = judge(Backups(DataClass.FILES), None, "us-west-2", NOW)

    assert (found.status, found.measured) == (Status.INFO, "none: no resource of this class was copied")
