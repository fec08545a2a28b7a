"""The stand-in for the Pulumi AWS plugin: the engine's gRPC requests as calls to the sandbox's AWS.

It models the plugin for the resource types of `sandbox/aws_plugin/types`, one table a type. It connects to
AWS_ENDPOINT_URL on this machine only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from sandbox.aws_plugin import diff, values
from sandbox.aws_plugin.catalog import CATALOG
from sandbox.aws_plugin.check import check
from sandbox.aws_plugin.connections import Connections
from sandbox.aws_plugin.model import ResourceType
from sandbox.aws_plugin.plugin import (
    UNKNOWN,
    PartlyDone,
    Plugin,
    SandboxError,
    answers,
    from_struct,
    serve,
    to_struct,
    token,
)
from sandbox.aws_plugin.resource import ServedResource

CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
SETTINGS = frozenset({"region", "defaultTags"})
# The SDK sets these by itself; they disable checks that the stand-in does not make.
IGNORED_SETTINGS = frozenset(
    {"version", "pluginDownloadURL", "skipCredentialsValidation", "skipRegionValidation", "skipMetadataApiCheck"}
)


class Provider(Plugin):
    """gRPC service `pulumirpc.ResourceProvider`; requests come from many threads."""

    package = "aws"

    def __init__(self) -> None:
        super().__init__()
        self._connections: Connections | None = None

    @property
    def connections(self) -> Connections:
        """The clients; a SandboxError before Configure."""
        if self._connections is None:
            raise SandboxError("the provider is not configured yet")
        return self._connections

    # The provider itself --------------------------------------------------------------------------------------

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi_aws"))

    @answers
    def CheckConfig(self, request: Any) -> Any:
        news = from_struct(request.news)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=f"not carried by the sandbox: provider setting {name!r}")
            for name in sorted(news.keys() - SETTINGS - IGNORED_SETTINGS)
            if not name.startswith("__")
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @answers
    def DiffConfig(self, request: Any) -> Any:
        old, new = from_struct(request.olds), from_struct(request.news)
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=changed)

    @answers
    def Configure(self, request: Any) -> Any:
        settings = from_struct(request.args)
        region = settings.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region:
            raise SandboxError(
                "Missing region information\n"
                "Make sure you have set your AWS region, e.g. `pulumi config set aws:region us-west-2`."
            )
        tags = settings.get("defaultTags") or {}
        tags = json.loads(tags) if isinstance(tags, str) else tags
        self._connections = Connections(region, tags.get("tags"))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @answers
    def Invoke(self, request: Any) -> Any:
        if request.tok != CALLER_IDENTITY:
            raise SandboxError(f"not carried by the sandbox: function {request.tok}")
        answer = self.connections.send("sts", self.connections.region, "get_caller_identity")
        found = {"accountId": answer["Account"], "arn": answer["Arn"], "userId": answer["UserId"]}
        found["id"] = answer["Account"]
        return provider_pb2.InvokeResponse(**{"return": to_struct(found)})

    # Resources ------------------------------------------------------------------------------------------------

    @answers
    def Check(self, request: Any) -> Any:
        news, olds = from_struct(request.news), from_struct(request.olds)
        name = request.urn.rpartition("::")[2]
        inputs, problems = check(_type(request), name, news, olds, self.connections, request.randomSeed)
        failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in problems]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    @answers
    def Diff(self, request: Any) -> Any:
        kind = _type(request)
        state, wanted = from_struct(request.olds), from_struct(request.news)
        response = provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE, hasDetailedDiff=True)
        found = diff.differences(kind, state, wanted, request.ignoreChanges)
        for path, change in found.items():
            replaced = diff.replaces(kind, path, change)
            sort = provider_pb2.PropertyDiff.Kind.Value(f"{change.value}_REPLACE" if replaced else change.value)
            response.detailedDiff[path].kind = sort
            response.changes = provider_pb2.DiffResponse.DIFF_SOME
            if replaced:
                response.replaces.append(path)
        response.diffs.extend(sorted(diff.top_level(found)))
        response.deleteBeforeReplace = bool(response.replaces) and diff.deletes_first(kind, state, wanted)
        return response

    @answers
    def Create(self, request: Any) -> Any:
        kind, wanted = _type(request), from_struct(request.properties)
        if request.preview:
            waits = kind.output_fields.keys() | (kind.computed & kind.fields.keys())
            outputs = dict.fromkeys(waits, UNKNOWN) | _planned(kind, wanted)
            return provider_pb2.CreateResponse(properties=to_struct(outputs))
        resource = ServedResource(kind, self.connections, wanted=wanted)
        try:
            resource.create()
            state = _present(resource)
        except SandboxError as error:
            if resource.id:
                raise PartlyDone(error, resource.id, _partial_state(resource)) from error
            raise
        return provider_pb2.CreateResponse(id=resource.id, properties=to_struct(state))

    @answers
    def Read(self, request: Any) -> Any:
        kind = _type(request)
        resource = ServedResource(kind, self.connections, id=request.id, state=from_struct(request.properties))
        state = resource.read()
        if state is None:
            return provider_pb2.ReadResponse()
        inputs = _inputs_of(kind, state, from_struct(request.inputs))
        properties, inputs = to_struct(state), to_struct(inputs)
        return provider_pb2.ReadResponse(id=resource.id, properties=properties, inputs=inputs)

    @answers
    def Update(self, request: Any) -> Any:
        kind = _type(request)
        state, wanted = from_struct(request.olds), from_struct(request.news)
        if request.preview:
            kept = kind.output_fields.keys() | kind.computed
            renewed = dict.fromkeys(kind.renewed, UNKNOWN)
            outputs = {name: value for name, value in state.items() if name in kept} | renewed
            outputs |= _planned(kind, wanted, state)
            return provider_pb2.UpdateResponse(properties=to_struct(outputs))
        resource = ServedResource(kind, self.connections, id=request.id, wanted=wanted, state=state)
        resource.update(request.ignoreChanges)
        return provider_pb2.UpdateResponse(properties=to_struct(_present(resource)))

    @answers
    def Delete(self, request: Any) -> Any:
        state = from_struct(request.properties)
        ServedResource(_type(request), self.connections, id=request.id, state=state).delete()
        return Empty()


def _type(request: Any) -> ResourceType:
    name = token(request.urn)
    if name not in CATALOG:
        raise SandboxError(f"not carried by the sandbox: resource type {name}")
    return CATALOG[name]


def _planned(kind: ResourceType, inputs: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The inputs as a preview shows them, with what AWS computes inside of objects: kept, or unknown at a creation."""
    shown = {name: value for name, value in inputs.items() if not name.startswith("__")}
    for name, value in shown.items():
        if isinstance(value, dict) and kind.fields[name].kind == "object":
            inside = [child for child in kind.fields[name].children if f"{name}.{child}" in kind.computed]
            kept = dict.fromkeys(inside, UNKNOWN) if state is None else state.get(name) or {}
            shown[name] = {child: kept[child] for child in inside if child in kept} | value
    return shown


def _present(resource: ServedResource) -> dict[str, Any]:
    state = resource.read()
    if state is None:
        raise SandboxError(f"{resource.id} was written, but AWS does not show it")
    return state


def _partial_state(resource: ServedResource) -> dict[str, Any]:
    """The state of a partly created resource; only its inputs where AWS cannot be read."""
    try:
        state = resource.read()
    except SandboxError:
        state = None
    certain = {name: resource.wanted[name] for name in resource.type.local | {"region"} if name in resource.wanted}
    return certain if state is None else state


def _inputs_of(kind: ResourceType, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that result in this state: the former inputs, with the state's values where AWS has drifted."""
    if not inputs:
        found = {name: state[name] for name in kind.fields if name in state and not values.blank(state[name])}
        return found | {"__defaults": []}
    drifted = diff.top_level(diff.differences(kind, state, inputs)) - kind.local
    kept = {name: value for name, value in inputs.items() if name not in drifted}
    return kept | {name: state[name] for name in drifted if not values.blank(state.get(name))}


if __name__ == "__main__":
    serve(Provider())
