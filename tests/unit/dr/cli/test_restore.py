"""Options of `dr restore` and `dr sets`: times, targets, and completion."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dr.cli.options import region_names
from dr.cli.restore import check_target, parse_time
from dr.errors import Invalid

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-28T11:00:00Z", "2026-11-28T11:00:00+00:00", "2026-11-28T13:00:00+02:00", "20261128T110000Z"]
)
def test_time_with_a_zone_is_read(text: str) -> None:
    assert parse_time(text, NOW) == datetime(2026, 11, 28, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-28T11:00:00", "use 2026-11-28T11:00:00Z for UTC"),
        ("2026-11-28T12:00:01Z", "is in the future"),
        ("11/28/2026", "is not a time of ISO 8601"),
    ],
)
def test_other_times_are_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        parse_time(text, NOW)


@pytest.mark.parametrize(("prefix", "to"), [("a/", None), ("a/", "b/"), ("a/", "a/b/"), ("", "b/"), ("a/", "a/b")])
def test_target_outside_or_below_the_prefix_is_valid(prefix: str, to: str | None) -> None:
    check_target(prefix, to)


@pytest.mark.parametrize(("prefix", "to"), [("a/", "a/"), ("a/b/", "a/"), ("a/", ""), ("", "")])
def test_target_that_contains_the_prefix_is_refused(prefix: str, to: str) -> None:
    with pytest.raises(Invalid, match="--to"):
        check_target(prefix, to)


def test_regions_of_the_project_are_completed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert region_names("us-") == ["us-east-1", "us-west-2"]
    assert region_names("us-w") == ["us-west-2"]
    monkeypatch.chdir(tmp_path)
    assert region_names("us-") == []
