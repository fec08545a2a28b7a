"""What a rule is, and what it sees of a resource. Imports no SDK, so that importing a rule starts nothing.

At a first preview much is not known yet: an id, an ARN, a document made of them. What is unknown is not judged; `up`
judges it, with its value, before the resource is made. No rule ever fails because of an unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PROJECT = "ml-dr"
"""The value of the tag `project` of everything that this program makes."""


class Unknown:
    """The value of a property that is not known yet."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class Level(StrEnum):
    """What a broken rule does."""

    MANDATORY = "mandatory"
    """Stops the preview or the update."""
    ADVISORY = "advisory"
    """Is shown."""


@dataclass(frozen=True)
class Resource:
    """A resource as the engine shows it.

    Args:
        type: Like "aws:s3/bucket:Bucket".
        name: Its name in the program.
        props: Its properties, names as in Pulumi's schema; `UNKNOWN` stands where a value is not known yet.
        urn: What identifies it in its stack.
        provider_region: The region of the provider that makes it.
        references: Property name to URNs of the resources its value was made of. Empty in resource rules.
    """

    type: str
    name: str
    props: Mapping[str, Any]
    urn: str = ""
    provider_region: Any = None
    references: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def look(self, path: str) -> Any:
        """The value at a path like "versioningConfiguration.status"; None where nothing is set."""
        return look(self.props, path)

    @property
    def region(self) -> Any:
        """Where it is; a global one is where its provider is."""
        return self.props.get("region") or self.provider_region

    def names(self, prop: str, other: Resource, key: str) -> bool:
        """Whether a property is the other's `key`, or was made of the other, or may be: it is not known of what."""
        value = self.props.get(prop)
        if value is UNKNOWN and prop not in self.references:
            return True
        return other.urn in self.references.get(prop, ()) or (value is not None and value == other.props.get(key))


Stack = Sequence[Resource]
Facts = Iterator[str]
"""What is wrong, each with the value that was found."""


@dataclass(frozen=True)
class Rule:
    """One property that must hold.

    Args:
        name: Its path: service, thing, property.
        says: What must hold, as a full sentence.
        why: The reason, as a clause that follows "because".
        remedy: The way out, as an order.
        types: The types it judges; a prefix judges all types that begin so.
        check: What is wrong with one resource, in itself; a rule has this
        check_in_stack: or this: what is wrong with one resource, seen with all others of its stack.
        level: What a violation does.
    """

    name: str
    says: str
    why: str
    remedy: str
    types: tuple[str, ...]
    check: Callable[[Resource], Facts] | None = None
    check_in_stack: Callable[[Resource, Stack], Facts] | None = None
    level: Level = Level.MANDATORY

    @property
    def description(self) -> str:
        """What a report shows of the rule itself."""
        return f"{self.says} Because {self.why}."

    def facts(self, resource: Resource, stack: Stack = ()) -> list[str]:
        """What is wrong with a resource, exceptions not yet taken out."""
        if not resource.type.startswith(self.types):
            return []
        if self.check_in_stack:
            return list(self.check_in_stack(resource, stack))
        return list(self.check(resource)) if self.check else []

    def message(self, fact: str) -> str:
        """A violation, as a person reads it below the description."""
        return f"{fact} -> {self.remedy}"


def look(value: Any, path: str) -> Any:
    """The value at a path of property names; UNKNOWN if anything on the way is, None where nothing is set."""
    for step in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def items(value: Any) -> list[Any]:
    """The elements of a list that are known; none of what is not a list, or not known."""
    return [each for each in value if each is not UNKNOWN] if isinstance(value, (list, tuple)) else []


def shown(value: Any) -> str:
    """A value as a message has it."""
    if value is None:
        return "not set"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, default=str)


def must_be(path: str, wanted: Any) -> Callable[[Resource], Facts]:
    """A check that a property has a value."""

    def check(resource: Resource) -> Facts:
        value = resource.look(path)
        if value is not UNKNOWN and value != wanted:
            yield f"{path} is {shown(value)}, not {shown(wanted)}"

    return check


def must_be_set(path: str) -> Callable[[Resource], Facts]:
    """A check that a property has any value; one that is not known yet is one."""

    def check(resource: Resource) -> Facts:
        if not resource.look(path):
            yield f"{path} is not set"

    return check


def all_of(*checks: Callable[[Resource], Facts]) -> Callable[[Resource], Facts]:
    """Several checks of one property."""

    def check(resource: Resource) -> Facts:
        for each in checks:
            yield from each(resource)

    return check


def role_of(stack: Stack) -> str | None:
    """ "primary" or "recovery": what the tags of a stack's resources say it deploys."""
    return next((role for each in stack if isinstance(role := each.look("tags.role"), str)), None)


def home_of(stack: Stack) -> Any:
    """The stack's own region, its `aws:region`: that of the provider which resources have by default."""
    providers = [each for each in stack if each.type == "pulumi:providers:aws"]
    providers.sort(key=lambda each: not each.name.startswith("default"))
    return providers[0].look("region") if providers else None
