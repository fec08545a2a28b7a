"""What a restore does with a key."""

from datetime import UTC, datetime, timedelta

import pytest

from dr.data.restore_rules import Item, Kind, elsewhere, in_place, joined
from dr.data.versions import State, Version

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def version(number: int, key: str = "a/x", *, size: int | None = 1, archived: bool = False) -> Version:
    return Version(key, f"v{number}", AT + timedelta(minutes=number), False, size, f"e{number}", archived)


OLD, NEW, MARKER, OLD_MARKER = version(1), version(2), version(3, size=None), version(0, size=None)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State(OLD, OLD), Kind.UNCHANGED),
        (State(NEW, OLD), Kind.CHANGED),
        (State(MARKER, OLD), Kind.DELETED),
        (State(NEW, None), Kind.CREATED),
        (State(NEW, OLD_MARKER), Kind.CREATED),
        (State(NEW, version(1, archived=True)), Kind.ARCHIVED),
        (State(MARKER, None), None),
        (State(OLD_MARKER, OLD_MARKER), None),
    ],
)
def test_restore_in_place(state: State, kind: Kind | None) -> None:
    item = in_place(state)

    assert (item.kind if item else None) == kind
    assert item is None or item.target == "a/x"


@pytest.mark.parametrize(
    ("state", "held", "kind"),
    [
        (State(OLD, OLD), None, Kind.LACKING),
        (State(MARKER, OLD), None, Kind.LACKING),
        (State(OLD, OLD), NEW, Kind.CHANGED),
        (State(NEW, None), None, None),
        (State(NEW, OLD_MARKER), NEW, None),
        (State(OLD, version(1, archived=True)), None, Kind.ARCHIVED),
    ],
)
def test_restore_to_another_prefix_deletes_nothing(state: State, held: Version | None, kind: Kind | None) -> None:
    item = elsewhere(state, "a/", "b/", held)

    assert (item.kind if item else None) == kind
    assert item is None or item.target == "b/x"


def test_only_newer_data_of_equal_size_may_be_equal() -> None:
    def comparable(kind: Kind, replaces: Version | None) -> bool:
        return Item(kind, OLD, "a/x", replaces).comparable

    assert comparable(Kind.CHANGED, NEW)
    assert not comparable(Kind.CHANGED, version(2, size=2))
    assert not comparable(Kind.UNCHANGED, OLD)
    assert not comparable(Kind.DELETED, None)


def test_keys_are_joined_with_what_the_other_prefix_holds() -> None:
    mine = [State(version(1, f"a/{name}"), None) for name in ("1", "2", "4")]
    other = [version(1, f"b/{name}") for name in ("0", "2", "3", "4", "5")]
    found = joined(iter(mine), "a/", iter(other), "b/")

    assert [(state.key, held.key if held else None) for state, held in found] == [
        ("a/1", None),
        ("a/2", "b/2"),
        ("a/4", "b/4"),
    ]
