"""Steps and tags described by data: AWS operations, and where their arguments and answers hold what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws_plugin.model import Resource, Tags
from sandbox.aws_plugin.values import at

GONE_STATES = ("deleting", "deleted", "failed")
"""States in which EC2 still shows a resource for a while after its deletion."""


@dataclass(frozen=True)
class Call:
    """One AWS operation. It sends the identity, and those wanted properties that the operation takes.

    Args:
        operation: The boto3 method.
        body: The member that holds the properties; none where they are members of the operation itself.
        answer: Path of the result in the answer; the whole answer without it.
        fixed: More arguments.
        identifier: Path in the answer of the id that AWS assigned.
        tags: The member that takes the tags as a map.
        retries: Codes or words of errors that pass by themselves; the call is repeated.
    """

    operation: str
    body: str = ""
    answer: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    identifier: str = ""
    tags: str = ""
    retries: tuple[str, ...] = ()

    def __call__(self, resource: Resource) -> Any:
        arguments = {**resource.arguments(self.operation, self.body), **self.fixed}
        if self.tags:
            arguments[self.tags] = resource.wanted["tagsAll"]
        answer = resource.retry(lambda: resource.send(self.operation, **arguments), self.retries)
        if self.tags:
            resource.tagged = True
        if self.identifier:
            resource.id = at(answer, self.identifier)
        return at(answer, self.answer) if self.answer else answer


@dataclass(frozen=True)
class Found:
    """A read by an operation that takes a list of ids; its result is None where the resource is gone.

    Args:
        operation: The boto3 method.
        parameter: The member that takes the ids.
        answer: The member of the answer that holds the resources.
        fixed: More arguments.
        gone: Values of `State` in which the resource counts as deleted.
    """

    operation: str
    parameter: str
    answer: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    gone: tuple[str, ...] = GONE_STATES

    def __call__(self, resource: Resource) -> dict[str, Any] | None:
        answer = resource.send(self.operation, **{self.parameter: [resource.id]}, **self.fixed)
        one: dict[str, Any] | None = next(iter(answer[self.answer]), None)
        return None if one is None or one.get("State") in self.gone else one


def tagged(
    parameter: str,
    output: str = "",
    operations: tuple[str, str, str] = ("list_tags_for_resource", "tag_resource", "untag_resource"),
    *,
    names: str = "TagKeys",
    tags: str = "Tags",
    answer: str = "",
    pair: tuple[str, str] | None = ("Key", "Value"),
    listed: bool = False,
    read: Callable[[Resource], dict[str, str]] | None = None,
) -> Tags:
    """Tags of a service with one operation each to list, set and remove them.

    Args:
        parameter: The member that names the resource.
        output: The output that holds the resource's name for these operations, such as `arn`; its id without it.
        operations: The boto3 methods that list, set and remove.
        names: The member that takes the names to remove. Where it is `tags`, the service takes them as tags without a
            value.
        tags: The member that takes the tags to set.
        answer: Path of the tags in the answer of the listing; `tags` without it.
        pair: How the service spells a tag of a list; None where it takes a map.
        listed: Whether `parameter` takes a list.
        read: Reads the tags of a service that lists them in another way.
    """
    listing, setting, removing = operations

    def named(resource: Resource) -> dict[str, Any]:
        name = output_of(resource, output) if output else resource.id
        return {parameter: [name] if listed else name}

    def read_all(resource: Resource) -> dict[str, str]:
        found = at(resource.send(listing, **named(resource)), answer or tags) or {}
        return {each[pair[0]]: each.get(pair[1], "") for each in found} if pair else dict(found)

    def write(resource: Resource, added: dict[str, str], removed: list[str]) -> None:
        if removed:
            gone = [{pair[0]: name} for name in removed] if pair and names == tags else removed
            resource.send(removing, **named(resource), **{names: gone})
        if added:
            new = [dict(zip(pair, each, strict=True)) for each in added.items()] if pair else added
            resource.send(setting, **named(resource), **{tags: new})

    return Tags(read or read_all, write, pair or ("Key", "Value"))


def output_of(resource: Resource, output: str) -> str:
    """An output of a resource: of its state, or read from AWS where it is being created or imported."""
    if known := resource.state.get(output):
        return str(known)
    found = resource.type.read(resource) or {}
    return str(at(found, resource.type.output_fields[output].member) or "")
