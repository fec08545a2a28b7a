"""A resource while a request of the engine is served: its inputs, its state, and the calls that make them equal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandbox.aws_plugin import values
from sandbox.aws_plugin.connections import GLOBAL_REGION, Connections, Refused
from sandbox.aws_plugin.diff import differences, top_level
from sandbox.aws_plugin.fields import operation_members
from sandbox.aws_plugin.model import ResourceType

PLACEHOLDER = re.compile(r"\{(\w+)\}")
RETRY_FOR_SECONDS = 10.0
RETRY_EVERY_SECONDS = 0.2
GONE = re.compile(r"NoSuch|NotFound|NonExistent|^404$")
"""Error codes of AWS's services for a thing that does not exist."""


class ServedResource:
    """A resource of one type, as `sandbox.aws_plugin.model.Resource` describes it."""

    def __init__(
        self,
        kind: ResourceType,
        connections: Connections,
        *,
        id: str = "",
        wanted: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.type = kind
        self.connections = connections
        self.wanted = dict(wanted or {})
        self.state = dict(state or {})
        self.changed: set[str] | None = None
        self.creating = False
        self.tagged = False
        self.region = GLOBAL_REGION
        if kind.regional:
            region = self.wanted.get("region") or self.state.get("region")
            if not region and "@" in id:  # an imported resource of another region: id@region
                id, region = id.rsplit("@", 1)
            self.region = region or connections.region
        self.id = id

    # For steps ------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        """A property: the wanted value, else the one of the state."""
        return self.wanted.get(name, self.state.get(name))

    def send(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call AWS in the resource's region. A creation repeats the call after errors that pass by themselves."""

        def attempt() -> dict[str, Any]:
            return self.connections.send(self.type.service, self.region, operation, **arguments)

        return self.retry(attempt, self.type.retries) if self.creating else attempt()

    def retry(self, attempt: Callable[[], dict[str, Any]], words: tuple[str, ...]) -> dict[str, Any]:
        """Repeat for `RETRY_FOR_SECONDS` while AWS refuses with one of these codes or words."""
        end = time.monotonic() + RETRY_FOR_SECONDS
        while True:
            try:
                return attempt()
            except Refused as error:
                passes = any(word in f"{error.code} {error.message}" for word in words)
                if not passes or time.monotonic() > end:
                    raise
            time.sleep(RETRY_EVERY_SECONDS)

    def optional(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Like `send`; an empty answer where AWS says that there is no such thing."""
        try:
            return self.send(operation, **arguments)
        except Refused as error:
            if GONE.search(error.code):
                return {}
            raise

    def members(self) -> dict[str, Any]:
        """AWS's members of all wanted properties."""
        return values.members(self.type.fields, {name: value for name, value in self.wanted.items() if name != "tags"})

    def arguments(self, operation: str, body: str = "") -> dict[str, Any]:
        """An operation's arguments: the identity, and those wanted properties that are its members."""
        known = self.members() | self.identity()
        taken = operation_members(self.type.service, operation)
        given = {name: value for name, value in known.items() if name in taken}
        if body:
            inner = operation_members(self.type.service, operation, body)
            given[body] = {name: value for name, value in known.items() if name in inner}
        # Some services take tags, but not an empty list of them.
        if self.creating and self.type.tags and "Tags" in taken and self.wanted["tagsAll"]:
            key, content = self.type.tags.pair
            given["Tags"] = [{key: name, content: value} for name, value in sorted(self.wanted["tagsAll"].items())]
            self.tagged = True
        return given

    def identity(self) -> dict[str, str]:
        """The members that name this resource, out of its id; none before it has one."""
        names = PLACEHOLDER.findall(self.type.identity)
        pattern = re.sub(r"\\{\w+\\}", "(.+?)", re.escape(self.type.identity))
        match = re.fullmatch(pattern, self.id) if self.id else None
        return dict(zip(names, match.groups(), strict=True)) if match else {}

    # For requests of the engine -------------------------------------------------------------------------------

    def create(self) -> None:
        """Create it. `id` is set as soon as something exists, so that an update can complete a failed creation."""
        self.creating = True
        try:
            self.type.create(self)
        finally:
            self.creating = False
        self.id = self.id or self.type.identity.format(**self.members())
        if self.type.tags and not self.tagged and self.wanted["tagsAll"]:
            self.type.tags.write(self, self.wanted["tagsAll"], [])

    def read(self) -> dict[str, Any] | None:
        """The state that AWS reports, with the properties that only the plugin knows; None if the resource is gone."""
        try:
            answer = self.type.read(self)
            if answer is None:
                return None
            state = values.properties(self.type.fields | self.type.output_fields, answer)
            if self.type.tags:
                tags = {name: value for name, value in self.type.tags.read(self).items() if not name.startswith("aws:")}
                # A default tag belongs to the resource's own tags only where the program sets it there too.
                inherited = self.connections.default_tags.keys() - (self["tags"] or {}).keys()
                state["tagsAll"] = tags
                state["tags"] = {name: value for name, value in tags.items() if name not in inherited}
        except Refused as error:
            if GONE.search(error.code):
                return None
            raise
        source = self.wanted or self.state
        state |= {name: source[name] for name in self.type.local if name in source}
        return state | {"region": self.region} if self.type.regional else state

    def update(self, ignored: Iterable[str] = ()) -> None:
        """Change the properties that differ from the inputs."""
        self.changed = top_level(differences(self.type, self.state, self.wanted, ignored))
        sent = self.changed - self.type.local - {"tags", "tagsAll"}
        for names, step in self.type.update:
            if self.changed & set(names.split()) or (sent and not names):
                step(self)
        if self.type.tags and "tagsAll" in self.changed:
            new, old = self.wanted["tagsAll"], self.state.get("tagsAll", {})
            set_to = {name: value for name, value in new.items() if old.get(name) != value}
            self.type.tags.write(self, set_to, sorted(old.keys() - new.keys()))

    def delete(self) -> None:
        """Delete it; a resource that is already gone is no error."""
        try:
            self.type.delete(self)
        except Refused as error:
            if not GONE.search(error.code):
                raise
