from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.clients import Unreachable
from dr.data.volume_coverage import Coverage, Selected
from dr.errors import Problem
from dr.findings import Status
from dr.operations.awaited_copies import Awaited
from dr.operations.readiness_backups import (
    counted,
    judge,
    judge_missing,
    judge_volumes,
    only_elsewhere,
    with_resources,
)
from dr.topology.backups import Backups, DataClass

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WEST = "us-west-2"
LOST = Unreachable(Problem("EBS volumes", "us-east-1 does not answer", "check the region"))


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(("hours", "status"), [(10, Status.MET), (10.1, Status.MISSED), (-1, Status.MET)])
def test_a_copy_is_judged_by_the_objective_of_its_class(hours: float, status: Status) -> None:
    found = judge(Backups(DataClass.VOLUMES, every_hours=4), ago(hours), WEST, NOW)

    assert (found.name, found.status) == ("copies of volumes in us-west-2", status)
    assert found.objective == "at most 10 h old"


AWAITED = Awaited("volume vol-1 exists", vault=ago(80), since=ago(30))
"""A volume that is older than the objective, in a vault that is older, too."""
NONE = replace(AWAITED, text="us-east-1 has no volume with the tag backup=enabled", since=None)


@pytest.mark.parametrize(
    ("awaited", "status", "text"),
    [
        (AWAITED, Status.MISSED, "none arrived in 30 h, although volume vol-1 exists"),
        (replace(AWAITED, since=ago(26)), Status.INFO, "none yet; the first is due within 0 s"),
        (replace(AWAITED, since=ago(3)), Status.INFO, "none yet; the first is due within 23 h"),
        (replace(AWAITED, vault=ago(2)), Status.INFO, "none yet; the first is due within 24 h"),
        (replace(AWAITED, error=LOST), Status.MISSED, "none arrived in 30 h, although volume vol-1 exists"),
        (
            replace(AWAITED, since=ago(3), error=LOST),
            Status.UNKNOWN,
            "none; whether one is late is unknown: us-east-1 does not answer",
        ),
        (
            replace(NONE, error=LOST),
            Status.UNKNOWN,
            "none; whether one is late is unknown: us-east-1 does not answer",
        ),
        (replace(NONE, vault=ago(2), error=LOST), Status.INFO, "none yet; none is late for another 24 h"),
        (NONE, Status.INFO, "none: us-east-1 has no volume with the tag backup=enabled"),
        (replace(NONE, vault=ago(2)), Status.INFO, "none: us-east-1 has no volume with the tag backup=enabled"),
    ],
    ids=[
        *("older than the objective", "as old as it", "younger", "younger vault", "old enough without an answer"),
        *("young replica alone", "no answer", "no answer and a young vault", "no resource", "no resource, young vault"),
    ],
)
def test_a_class_without_a_copy_is_missed_once_its_resource_is_older_than_the_objective(
    awaited: Awaited, status: Status, text: str
) -> None:
    found = judge_missing(Backups(DataClass.VOLUMES), awaited, WEST, NOW)

    assert (found.name, found.status, found.measured) == ("copies of volumes in us-west-2", status, text)
    assert bool(found.hint) is (status in (Status.MISSED, Status.UNKNOWN))


BUCKETS = replace(AWAITED, resources=tuple(Selected(each, ago(800)) for each in ("a", "b", "c", "d", "e")))
NEW = dict.fromkeys("abcde", ago(10))


@pytest.mark.parametrize(
    ("newest", "more"),
    [
        (NEW, ""),
        (NEW | {"b": ago(26)}, ""),
        (NEW | {"b": ago(27)}, ", but 1 of 5 late: b (27 h old)"),
        ({"a": ago(10)}, ", but 4 of 5 late: b (none in 80 h), c (none in 80 h), d (none in 80 h) and 1 more"),
        (NEW | {"gone": ago(900)}, ""),
    ],
    ids=[
        "each has a new one",
        "as old as the objective",
        "one is old",
        "some have none",
        "a deleted bucket has old ones",
    ],
)
def test_a_class_is_missed_if_the_newest_copy_of_one_resource_is_late(newest: dict[str, datetime], more: str) -> None:
    backups = Backups(DataClass.OBJECTS)
    found = with_resources(judge(backups, ago(10), WEST, NOW), backups, newest, BUCKETS, NOW)

    assert found.measured == f"newest 10 h old{more}"
    assert (found.status, bool(found.hint)) == ((Status.MISSED, True) if more else (Status.MET, False))


def test_resources_of_a_class_without_a_new_copy_are_not_named() -> None:
    backups = Backups(DataClass.OBJECTS)
    missed = judge(backups, ago(50), WEST, NOW)

    assert with_resources(missed, backups, {}, BUCKETS, NOW) == missed


def test_a_database_without_a_copy_names_the_setting_without_which_aurora_is_not_backed_up() -> None:
    missed = [judge_missing(Backups(data), AWAITED, WEST, NOW) for data in (DataClass.DATABASES, DataClass.VOLUMES)]

    assert ["dr preflight" in each.hint for each in missed] == [True, False]


def test_air_gapped_copies_are_counted() -> None:
    found = judge(Backups(DataClass.OBJECTS), ago(10), WEST, NOW)
    none = judge_missing(Backups(DataClass.OBJECTS), AWAITED, WEST, NOW)

    assert (counted(found, 2).name, counted(found, 2).measured, counted(found, 2).status) == (
        "air-gapped copies of objects in us-west-2",
        "2, newest 10 h old",
        Status.MET,
    )
    assert (counted(none, 0).measured, counted(none, 0).status) == (none.measured, Status.MISSED)


def test_air_gapped_vault_without_a_copy_that_the_other_vault_has_is_missed() -> None:
    found = only_elsewhere(Backups(DataClass.OBJECTS), WEST)

    assert (found.name, found.status, found.measured) == (
        "air-gapped copies of objects in us-west-2",
        Status.MISSED,
        "none, although the other vault has one",
    )


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
