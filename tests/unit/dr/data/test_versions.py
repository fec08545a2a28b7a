"""What keys were at a time, from listings of versions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dr.data.versions import State, Version, states

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def version(number: int, minutes: int, key: str = "a", *, latest: bool = False, size: int | None = 1) -> Version:
    """Return a version that was written some minutes after the time."""
    return Version(key, f"v{number}", AT + timedelta(minutes=minutes), latest, size)


def state(*versions: Version) -> State:
    (found,) = states(versions, AT)
    return found


def test_the_newest_version_up_to_the_time_is_that_of_the_time() -> None:
    found = state(version(4, 2, latest=True), version(3, 1), version(2, 0), version(1, -1))

    assert found.current.version_id == "v4"
    assert found.then == version(2, 0)
    assert found.newer == version(3, 1)


def test_key_that_was_created_later_has_no_version_of_the_time() -> None:
    assert state(version(1, 1, latest=True)).then is None


def test_key_that_was_deleted_at_the_time_has_a_marker() -> None:
    then = state(version(2, 1, latest=True), version(1, -1, size=None)).then

    assert then is not None
    assert not then.is_object


def test_object_and_marker_of_one_second_are_uncertain_unless_one_is_current() -> None:
    assert state(version(3, 1, latest=True), version(2, -1), version(1, -1, size=None)).uncertain
    assert not state(version(2, -1, latest=True), version(1, -1, size=None)).uncertain
    assert not state(version(3, 1, latest=True), version(2, -1), version(1, -1)).uncertain


def test_keys_are_separate_and_keep_their_order() -> None:
    listed = [version(1, -1, "a", latest=True), version(3, 1, "b", latest=True), version(2, -1, "b")]

    assert [(each.key, each.then and each.then.version_id) for each in states(listed, AT)] == [("a", "v1"), ("b", "v2")]


def test_versions_are_read_one_after_the_other() -> None:
    read = []

    def listed() -> Iterator[Version]:
        for number in range(1000):
            read.append(number)
            yield version(number, -1, f"{number:04}", latest=True)

    found = states(listed(), AT)
    next(found)
    assert len(read) == 2
