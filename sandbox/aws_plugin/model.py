"""What a resource type is: one table that check, diff and the calls to AWS are driven by.

What is auto-named, and how long a name may get, follows pulumi-aws, provider/resource_overrides.go and autonaming.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sandbox.aws_plugin.fields import Field, build, service_model

if TYPE_CHECKING:
    from sandbox.aws_plugin.resource import Resource

Step = Callable[["Resource"], Any]
"""Something done to a resource; a `Call`, or a function where AWS is irregular."""
Problem = tuple[str, str]
"""A property path and what is wrong with it."""


@dataclass(frozen=True)
class Call:
    """One AWS operation. It sends the identity and those of the wanted properties that the operation takes.

    `body` is the member that the properties sit in, `answer` the one of the answer that holds the resource.
    """

    operation: str
    body: str = ""
    answer: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, resource: Resource) -> Any:
        arguments = resource.arguments(self.operation, self.body)
        answer = resource.send(self.operation, **arguments, **self.fixed)
        return answer.get(self.answer) if self.answer else answer


@dataclass(frozen=True)
class Tags:
    """How a service keeps tags. `write` gets the tags to set and the names to remove.

    An operation that creates and takes tags gets them at once, spelled as `pair`.
    """

    read: Callable[[Resource], dict[str, str]]
    write: Callable[[Resource, dict[str, str], list[str]], None]
    pair: tuple[str, str] = ("Key", "Value")


def tagged_in_pairs(
    argument: str,
    of: Callable[[Resource], str] | None = None,
    operations: tuple[str, str, str] = ("list_tags_for_resource", "tag_resource", "untag_resource"),
    pair: tuple[str, str] = ("Key", "Value"),
) -> Tags:
    """Tags of a service that lists them as pairs: its operations to list, set and remove take a resource by `argument`.

    `of` gives what names the resource there; without it, its id does.
    """
    listing, setting, removing = operations
    key, content = pair

    def named(resource: Resource) -> dict[str, str]:
        return {argument: of(resource) if of else resource.id}

    def read(resource: Resource) -> dict[str, str]:
        answer = resource.send(listing, **named(resource))
        return {tag[key]: tag[content] for tag in answer.get("Tags", [])}

    def write(resource: Resource, added: dict[str, str], removed: list[str]) -> None:
        if removed:
            resource.send(removing, **named(resource), TagKeys=removed)
        if added:
            tags = [{key: name, content: value} for name, value in added.items()]
            resource.send(setting, **named(resource), Tags=tags)

    return Tags(read, write, pair)


@dataclass(frozen=True)
class AutoName:
    """The name a resource gets when the program gives none: prefix, logical name, dash, 7 hex digits."""

    property: str = "name"
    longest: int = 255
    prefix: str = ""
    lower: bool = False
    random: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    """A Pulumi resource type and how it is kept in AWS.

    Paths are property paths with `[]` for any element (`rules[].id`). What is replaced, defaulted and
    computed follows the real provider; what the program leaves out of `computed` is left alone.
    """

    token: str
    service: str
    properties: str
    shape: str = ""
    """The AWS shape of `properties`: a shape name of the service."""
    outputs: str = ""
    identity: str = ""
    """The id as a template of AWS members (`{RoleName}:{PolicyName}`)."""
    regional: bool = True
    auto_name: AutoName | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """By property; `outer.inner` is set where the program sets the object around it."""
    computed: frozenset[str] = frozenset()
    replace_on: frozenset[str] = frozenset()
    replace_on_removal: frozenset[str] = frozenset()
    """Properties that can be set and changed in place, and not be taken away."""
    renewed: frozenset[str] = frozenset()
    """Outputs that any update changes."""
    equal: Mapping[str, Callable[[Any, Any], bool]] = field(default_factory=dict)
    """Properties with spellings that mean the same."""
    exclusive: tuple[tuple[str, ...], ...] = ()
    """Properties that exclude each other."""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of which others one must be set where a property is set; under "" always."""
    checks: tuple[Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Problem]], ...] = ()
    """Rules over the new inputs and the old ones. They see what is known: an absent value may still come."""
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values the plugin takes where they differ from what AWS takes."""
    create: Step
    read: Step
    update: tuple[tuple[str, Step], ...] = ()
    """Which properties (words; none = any) are changed by which step, in order."""
    delete: Step
    tags: Tags | None = None
    retries: tuple[str, ...] = ()
    """Codes or words of errors that pass by themselves soon after something else was created."""

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Every property a program may set."""
        shape = service_model(self.service).shape_for(self.shape) if self.shape else None
        fields = build(self.properties, shape)
        if self.regional:
            fields["region"] = Field("region", "string")
        if self.tags:
            fields["tags"] = fields["tagsAll"] = Field("tags", "map")
        return fields

    @cached_property
    def local(self) -> frozenset[str]:
        """The properties that AWS knows nothing of."""
        ours = {name for name, field in self.fields.items() if not field.member and field.kind != "only"}
        return frozenset(ours - {"region", "tags", "tagsAll"})

    @cached_property
    def output_fields(self) -> dict[str, Field]:
        """What only AWS can say."""
        return build(self.outputs, None)
