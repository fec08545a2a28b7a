"""What one listing of versions lacks of another."""

from datetime import UTC, datetime

import pytest

from dr.data.backfill import _lacking
from dr.data.versions import Version

AT = datetime(2026, 11, 28, tzinfo=UTC)


def listing(*names: str) -> list[Version]:
    """Versions from "key version", in the order of a listing; a version ID with "-" is a delete marker's."""
    pairs = [name.split() for name in names]
    return [Version(key, id, AT, latest=False, size=None if id.startswith("-") else 1) for key, id in pairs]


@pytest.mark.parametrize(
    ("source", "target", "lacking"),
    [
        (("a 2", "a 1", "b 1"), (), ("a 2", "a 1", "b 1")),
        (("a 2", "a 1", "b 1"), ("a 1",), ("a 2", "b 1")),
        (("b 1", "d 1"), ("a 1", "b 1", "c 1", "e 1"), ("d 1",)),
        (("b 1",), ("a 1",), ("b 1",)),
        (("a -1", "a 1"), ("a 1",), ()),
        ((), ("a 1",), ()),
    ],
)
def test_object_versions_that_the_target_does_not_list_are_lacking(
    source: tuple[str, ...], target: tuple[str, ...], lacking: tuple[str, ...]
) -> None:
    found = _lacking(iter(listing(*source)), iter(listing(*target)))

    assert [f"{each.key} {each.version_id}" for each in found] == list(lacking)
