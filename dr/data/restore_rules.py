"""What a restore of a prefix does with each key. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dr.data.versions import State, Version

EXAMPLES = 3
"""Keys of each kind that a plan names."""


class Kind(StrEnum):
    """What a key is, compared with the time of the restore."""

    UNCHANGED = "unchanged"
    """The version of that time is current."""
    RESTORED = "restored"
    """The current object has the content of that time: a restore was run before."""
    DELETED = "deleted"
    """It was deleted since."""
    CHANGED = "changed"
    """It has newer data; with another prefix as the target: that holds another object."""
    LACKING = "lacking"
    """The other prefix does not hold it."""
    CREATED = "created"
    """It did not exist at that time."""
    ARCHIVED = "archived"
    """Its version of that time is in an archive, and cannot be copied before it is restored from there."""


COPIED = frozenset({Kind.DELETED, Kind.CHANGED, Kind.LACKING})
"""Kinds of which the version of that time is copied."""


@dataclass(frozen=True, slots=True)
class Item:
    """A key and what is to be done with it.

    Args:
        kind: What it is.
        source: The version of that time, or the current version of a key that did not exist then.
        target: Key to write.
        replaces: The object that is current at the target; None without one.
    """

    kind: Kind
    source: Version
    target: str
    replaces: Version | None = None

    @property
    def comparable(self) -> bool:
        """Whether the current object may have the content of that time: its size is equal."""
        return self.kind is Kind.CHANGED and bool(self.replaces and self.replaces.size == self.source.size)


def in_place(state: State) -> Item | None:
    """Return what a restore in place does with a key; None if it neither exists nor existed."""
    current, then = state.current, state.then
    replaces = current if current.is_object else None
    if then is None or not then.is_object:
        return Item(Kind.CREATED, current, state.key, current) if replaces else None
    if current.version_id == then.version_id:
        return Item(Kind.UNCHANGED, then, state.key, replaces)
    if then.archived:
        return Item(Kind.ARCHIVED, then, state.key, replaces)
    return Item(Kind.CHANGED if replaces else Kind.DELETED, then, state.key, replaces)


def elsewhere(state: State, prefix: str, to: str, held: Version | None) -> Item | None:
    """Return what a restore to another prefix does with a key; None if it did not exist.

    Args:
        state: The key.
        prefix: Its prefix.
        to: The other prefix.
        held: The object that is current there; None without one.
    """
    then, target = state.then, f"{to}{state.key.removeprefix(prefix)}"
    if then is None or not then.is_object:
        return None
    if then.archived:
        return Item(Kind.ARCHIVED, then, target, held)
    return Item(Kind.CHANGED if held else Kind.LACKING, then, target, held)


def joined(
    states: Iterator[State], prefix: str, held: Iterator[Version], to: str
) -> Iterator[tuple[State, Version | None]]:
    """Yield each key with the object that the other prefix holds for it. Both come in S3's order.

    Args:
        states: Keys below a prefix.
        prefix: The prefix.
        held: Current objects below the other prefix.
        to: The other prefix.
    """
    other = next(held, None)
    for state in states:
        path = state.key.removeprefix(prefix)
        while other and other.key.removeprefix(to) < path:
            other = next(held, None)
        yield state, other if other and other.key == f"{to}{path}" else None


@dataclass
class Tally:
    """Numbers of keys by kind.

    Args:
        objects: Number of keys.
        bytes: Bytes of their versions of that time.
        examples: Some of the keys.
    """

    objects: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    bytes: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    examples: dict[Kind, list[str]] = field(default_factory=lambda: {kind: [] for kind in Kind})

    def add(self, kind: Kind, item: Item) -> None:
        """Count a key."""
        self.objects[kind] += 1
        self.bytes[kind] += item.source.size or 0
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(item.source.key)

    def total(self, kinds: frozenset[Kind], of: Mapping[Kind, int]) -> int:
        """Return the sum of a number over kinds."""
        return sum(of[kind] for kind in kinds)
