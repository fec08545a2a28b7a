"""Operations of the Pulumi engine on one resource, over gRPC."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

from pulumi.runtime.proto import provider_pb2

from sandbox.aws_plugin.plugin import from_struct, to_struct
from sandbox.server import Running


@dataclass
class Engine:
    """Operations of the Pulumi engine on one resource, in the engine's order."""

    stub: Any
    emulator: Running

    def check(self, token: str, name: str, inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None) -> Any:
        return self.stub.Check(
            provider_pb2.CheckRequest(
                urn=urn(token, name), news=to_struct(inputs), olds=to_struct(olds or {}), randomSeed=os.urandom(8)
            )
        )

    def make(self, token: str, name: str, /, **inputs: Any) -> Managed:
        """Check and create a resource."""
        managed = Managed(self, token, name)
        managed.inputs = managed.checked(inputs)
        request = provider_pb2.CreateRequest(urn=managed.urn, properties=to_struct(managed.inputs))
        answer = self.stub.Create(request)
        managed.id, managed.state = answer.id, from_struct(answer.properties)
        return managed

    def preview(self, token: str, name: str, /, **inputs: Any) -> dict[str, Any]:
        """Preview a creation, and return the outputs."""
        checked = Managed(self, token, name).checked(inputs)
        request = provider_pb2.CreateRequest(urn=urn(token, name), properties=to_struct(checked), preview=True)
        return from_struct(self.stub.Create(request).properties)

    def read(self, token: str, id: str, **state: Any) -> Any:
        return self.stub.Read(provider_pb2.ReadRequest(id=id, urn=urn(token, "read"), properties=to_struct(state)))

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """Return a boto3 client for the emulator, for changes outside Pulumi."""
        return self.emulator.client(service, region)

    def calls(self, since: int = 0) -> Any:
        """Return the emulator's recorded calls since a position."""
        with urlopen(f"{self.emulator.endpoint}/_sandbox/calls?since={since}") as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def fault(self, **fault: Any) -> None:
        """Inject a fault into the emulator."""
        body = json.dumps(fault).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(f"{self.emulator.endpoint}/_sandbox/faults", body, headers, method="POST")).close()  # noqa: S310

    def heal(self) -> None:
        """Remove all faults."""
        urlopen(Request(f"{self.emulator.endpoint}/_sandbox/faults", method="DELETE")).close()  # noqa: S310 - loopback


@dataclass
class Managed:
    """A resource in the engine's state."""

    engine: Engine
    token: str
    name: str
    id: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def urn(self) -> str:
        return urn(self.token, self.name)

    def checked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.engine.check(self.token, self.name, inputs, self.inputs)
        assert not answer.failures, answer.failures
        return from_struct(answer.inputs)

    def diff(self, **inputs: Any) -> Any:
        """Return the diff of the state and new inputs; without arguments, of the state and the previous inputs."""
        news = self.checked(inputs) if inputs else self.inputs
        return self.engine.stub.Diff(
            provider_pb2.DiffRequest(
                id=self.id,
                urn=self.urn,
                olds=to_struct(self.state),
                news=to_struct(news),
                old_inputs=to_struct(self.inputs),
            )
        )

    def changes(self, **inputs: Any) -> dict[str, str]:
        """Return the changed property paths and the kind of each change."""
        kind = provider_pb2.PropertyDiff.Kind
        return {path: kind.Name(one.kind) for path, one in self.diff(**inputs).detailedDiff.items()}

    def update(self, *, preview: bool = False, **inputs: Any) -> dict[str, Any]:
        news = self.checked(inputs) if inputs else self.inputs
        answer = self.engine.stub.Update(
            provider_pb2.UpdateRequest(
                id=self.id,
                urn=self.urn,
                olds=to_struct(self.state),
                news=to_struct(news),
                old_inputs=to_struct(self.inputs),
                preview=preview,
            )
        )
        outputs = from_struct(answer.properties)
        if not preview:
            self.inputs, self.state = news, outputs
        return outputs

    def refresh(self) -> bool:
        """Read the resource as `pulumi refresh` does, and return whether it still exists."""
        answer = self.engine.stub.Read(
            provider_pb2.ReadRequest(
                id=self.id, urn=self.urn, properties=to_struct(self.state), inputs=to_struct(self.inputs)
            )
        )
        if answer.id:
            self.inputs, self.state = from_struct(answer.inputs), from_struct(answer.properties)
        return bool(answer.id)

    def delete(self) -> None:
        request = provider_pb2.DeleteRequest(id=self.id, urn=self.urn, properties=to_struct(self.state))
        self.engine.stub.Delete(request)


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:test::dr::{token}::{name}"


def given(made: Managed) -> dict[str, Any]:
    """Return the inputs of a resource that a program states."""
    return {name: value for name, value in made.inputs.items() if name not in ("__defaults", "tagsAll")}
