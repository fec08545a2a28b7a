"""Rules, and resources as rules see them. Imports no SDK, so that importing a rule starts no policy pack.

In a first preview many values are unknown: IDs, ARNs, documents that contain them. Rules do not judge unknown values;
`pulumi up` judges them, with their values, before it creates the resource. An unknown value never fails a rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PROJECT = "ml-dr"
"""Value of the tag `project` on every resource of this program."""


class Unknown:
    """The value of a property that is still unknown."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


class Level(StrEnum):
    """Effect of a violation."""

    MANDATORY = "mandatory"
    """Stops the preview or the update."""
    ADVISORY = "advisory"
    """Is displayed."""


@dataclass(frozen=True)
class Resource:
    """A resource as reported by the engine.

    Args:
        type: Type token: "aws:s3/bucket:Bucket".
        name: Name in the program.
        props: Properties, named as in Pulumi's schema; `UNKNOWN` for unknown values.
        urn: URN of the resource.
        provider_region: Region of its provider.
        references: URNs of the resources from which a property's value is made, by property; empty in resource rules.
    """

    type: str
    name: str
    props: Mapping[str, Any]
    urn: str = ""
    provider_region: Any = None
    references: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def look(self, path: str) -> Any:
        """Return the value at a path like "versioningConfiguration.status"; None if not set."""
        return look(self.props, path)

    @property
    def region(self) -> Any:
        """Region of the resource; for a global resource, that of its provider."""
        return self.props.get("region") or self.provider_region

    def names(self, prop: str, other: Resource, key: str) -> bool:
        """Return whether a property equals `key` of another resource, or is made from that resource, or may be."""
        value = self.props.get(prop)
        if value is UNKNOWN and prop not in self.references:
            return True
        return other.urn in self.references.get(prop, ()) or (value is not None and value == other.props.get(key))


Stack = Sequence[Resource]
Facts = Iterator[str]
"""Violations of a rule, each with the value that violates it."""


@dataclass(frozen=True)
class Rule:
    """A requirement on one property.

    Args:
        name: Service, resource and property: "s3-bucket-tls-only".
        requirement: What must hold, as a full sentence.
        reason: Why, as a clause that follows "Reason:".
        remedy: How to fix a violation, as an imperative.
        types: Type tokens that it checks; a prefix matches all types that begin with it.
        check: Check of one resource by itself; a rule has either this
        check_in_stack: or this: a check of one resource together with all others of its stack.
        level: Effect of a violation.
    """

    name: str
    requirement: str
    reason: str
    remedy: str
    types: tuple[str, ...]
    check: Callable[[Resource], Facts] | None = None
    check_in_stack: Callable[[Resource, Stack], Facts] | None = None
    level: Level = Level.MANDATORY

    @property
    def description(self) -> str:
        """Text that a report shows for the rule."""
        return f"{self.requirement} Reason: {self.reason}."

    def facts(self, resource: Resource, stack: Stack = ()) -> list[str]:
        """Return the violations of a resource, including those with an exception."""
        if not resource.type.startswith(self.types):
            return []
        if self.check_in_stack:
            return list(self.check_in_stack(resource, stack))
        return list(self.check(resource)) if self.check else []

    def message(self, fact: str) -> str:
        """Return the message of a violation, which reports show below the description."""
        return f"{fact} -> {self.remedy}"


def look(value: Any, path: str) -> Any:
    """Return the value at a path of property names; UNKNOWN if any step is unknown, None if not set."""
    for step in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def items(value: Any) -> list[Any]:
    """Return the known elements of a list; none for other values."""
    return [each for each in value if each is not UNKNOWN] if isinstance(value, (list, tuple)) else []


def shown(value: Any) -> str:
    """Return a value as shown in messages."""
    if value is None:
        return "not set"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, default=str)


def must_be(path: str, required: Any) -> Callable[[Resource], Facts]:
    """Return a check that a property has a value."""

    def check(resource: Resource) -> Facts:
        value = resource.look(path)
        if value is not UNKNOWN and value != required:
            yield f"{path} is {shown(value)}, not {shown(required)}"

    return check


def must_be_set(path: str) -> Callable[[Resource], Facts]:
    """Return a check that a property is set; an unknown value is set."""

    def check(resource: Resource) -> Facts:
        if not resource.look(path):
            yield f"{path} is not set"

    return check


def all_of(*checks: Callable[[Resource], Facts]) -> Callable[[Resource], Facts]:
    """Return a check that runs several checks."""

    def check(resource: Resource) -> Facts:
        for each in checks:
            yield from each(resource)

    return check


def role_of(stack: Stack) -> str | None:
    """Return the role that the tags of a stack's resources state: "primary" or "recovery"."""
    return next((role for each in stack if isinstance(role := each.look("tags.role"), str)), None)


def home_of(stack: Stack) -> Any:
    """Return the stack's region, `aws:region`, which is that of its default provider."""
    providers = [each for each in stack if each.type == "pulumi:providers:aws"]
    providers.sort(key=lambda each: not each.name.startswith("default"))
    return providers[0].look("region") if providers else None
