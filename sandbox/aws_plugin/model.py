"""Resource types as tables, which drive check, diff and the calls to AWS.

Auto-naming and the limits of names follow pulumi-aws, provider/resource_overrides.go and autonaming.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from sandbox.aws_plugin.connections import Connections
from sandbox.aws_plugin.fields import Field, build, service_model

Problem = tuple[str, str]
"""A property path and what is wrong with it."""


class Resource(Protocol):
    """A resource while a request of the engine is served, as steps use it.

    Attributes:
        type: Its type.
        connections: Clients of AWS.
        id: Its id; a step that creates sets it as soon as AWS has one.
        wanted: The inputs; empty for a read of the engine and for a deletion.
        state: The outputs before the request; empty for a creation.
        changed: The properties that an update changes; None in every other request.
        tagged: Whether the creation sent the tags already.
        region: Where it is called.
    """

    type: ResourceType
    connections: Connections
    id: str
    wanted: dict[str, Any]
    state: dict[str, Any]
    changed: set[str] | None
    tagged: bool
    region: str

    def __getitem__(self, name: str) -> Any:
        """A property: the wanted value, else the one of the state."""

    def send(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call AWS in the resource's region. A creation repeats the call after errors that pass by themselves."""

    def retry(self, attempt: Callable[[], dict[str, Any]], words: tuple[str, ...]) -> dict[str, Any]:
        """Repeat for 10 s while AWS refuses with one of these codes or words."""

    def optional(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Like `send`; an empty answer where AWS says that there is no such thing."""

    def members(self) -> dict[str, Any]:
        """AWS's members of all wanted properties."""

    def arguments(self, operation: str, body: str = "") -> dict[str, Any]:
        """An operation's arguments: the identity, and those wanted properties that are its members."""

    def identity(self) -> dict[str, str]:
        """The members that name this resource, out of its id; none before it has one."""


Step = Callable[[Resource], Any]
"""A step of a request: a `Call` or a `Found`, or a function where AWS is irregular."""


@dataclass(frozen=True)
class Tags:
    """How a service keeps tags.

    Args:
        read: Returns a resource's tags.
        write: Sets some tags and removes others by name.
        pair: How the service spells a tag of a list; an operation that creates and has a member `Tags` gets them so.
    """

    read: Callable[[Resource], dict[str, str]]
    write: Callable[[Resource, dict[str, str], list[str]], None]
    pair: tuple[str, str] = ("Key", "Value")


@dataclass(frozen=True)
class AutoName:
    """The name of a resource that the program does not name: prefix, logical name, dash, 7 hexadecimal digits."""

    property: str = "name"
    longest: int = 255
    prefix: str = ""
    lower: bool = False
    random: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    """A Pulumi resource type and its calls to AWS.

    Paths are property paths with `[]` for any element (`rules[].id`). Replacement, defaults and computed properties
    follow the real provider. A computed property that the program leaves out is not compared.
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
    """Properties that can be set and changed in place; removing them replaces the resource."""
    renewed: frozenset[str] = frozenset()
    """Outputs that every update changes."""
    equal: Mapping[str, Callable[[Any, Any], bool]] = field(default_factory=dict)
    """Comparisons of properties that have several spellings of one value."""
    exclusive: tuple[tuple[str, ...], ...] = ()
    """Properties that exclude each other."""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Property to others of which one must be set with it; under "" always."""
    checks: tuple[Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Problem]], ...] = ()
    """Rules over the new inputs and the old ones. Unknown values are absent from them."""
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values that the plugin accepts, where they differ from those of AWS."""
    create: Step
    read: Step
    update: tuple[tuple[str, Step], ...] = ()
    """Properties (words; any without one) to the step that changes them, in order."""
    delete: Step
    tags: Tags | None = None
    retries: tuple[str, ...] = ()
    """Codes or words of errors that pass by themselves soon after another resource was created."""

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
        """The properties that AWS does not have."""
        local = {name for name, field in self.fields.items() if not field.member and field.kind != "only"}
        return frozenset(local - {"region", "tags", "tagsAll"})

    @cached_property
    def output_fields(self) -> dict[str, Field]:
        """The outputs that are not inputs."""
        return build(self.outputs, None)
