from datetime import UTC, datetime, timedelta

import pytest

from dr.data.volumes import Coverage
from dr.findings import Status
from dr.operations.readiness_backups import judge, judge_isolated, judge_volumes
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


def points(*hours: float, kind: str = "S3", status: str = "COMPLETED") -> list[dict[str, object]]:
    return [{"ResourceType": kind, "Status": status, "CreationDate": NOW - timedelta(hours=each)} for each in hours]


@pytest.mark.parametrize(
    ("held", "expected", "status", "text"),
    [
        (points(10, 40), True, Status.MET, "2, newest 10 h old"),
        (points(27), True, Status.MISSED, "1, newest 27 h old"),
        (points(1, kind="EBS"), True, Status.MISSED, "none, although the other vault has one"),
        (points(1, status="PARTIAL"), True, Status.MISSED, "none, although the other vault has one"),
        ([], False, Status.INFO, "none: no resource of this class was copied"),
    ],
)
def test_air_gapped_copies_are_counted_and_judged_by_the_objective_of_their_class(
    held: list[dict[str, object]], expected: bool, status: Status, text: str
) -> None:
    found = judge_isolated(Backups(DataClass.OBJECTS), held, expected, "us-west-2", NOW)

    assert (found.name, found.status, found.measured) == ("air-gapped copies of objects in us-west-2", status, text)


@pytest.mark.parametrize(
    ("found", "status", "text"),
    [
        (Coverage(2), Status.MET, "2 have it"),
        (Coverage(0), Status.INFO, "none that holds state"),
        (Coverage(3, ("vol-1",)), Status.MISSED, "1 of 3 without the tag: vol-1"),
        (Coverage(1, (), ("vol-9",)), Status.INFO, "none that holds state; others without it: vol-9"),
        (Coverage(5, ("a", "b", "c", "d")), Status.MISSED, "4 of 5 without the tag: a, b, c and 1 more"),
    ],
)
def test_a_volume_without_the_tag_is_named(found: Coverage, status: Status, text: str) -> None:
    finding = judge_volumes(found, "us-west-2")

    assert (finding.name, finding.status, finding.measured) == ("volumes in us-west-2", status, text)
    assert ("create-tags --region us-west-2 --resources" in finding.hint) is (status is Status.MISSED)
