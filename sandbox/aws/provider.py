"""The stand-in for the Pulumi AWS plugin: the engine's gRPC requests as calls to the sandbox's AWS.

A model of the plugin, not the plugin: what it carries is in `sandbox/aws/resources`, one table a type.
It talks to AWS_ENDPOINT_URL on this machine and nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from importlib.metadata import version
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.aws.resources import diff, values
from sandbox.aws.resources.catalog import CATALOG
from sandbox.aws.resources.check import check
from sandbox.aws.resources.connections import Connections, SandboxError
from sandbox.aws.resources.model import ResourceType
from sandbox.aws.resources.resource import Resource

CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
SETTINGS = frozenset({"region", "defaultTags"})
# The SDK fills these in by itself; they switch off checks that the stand-in does not make.
IGNORED_SETTINGS = frozenset(
    {"version", "pluginDownloadURL", "skipCredentialsValidation", "skipRegionValidation", "skipMetadataApiCheck"}
)
LARGEST_MESSAGE_BYTES = 400 * 1024 * 1024


class PartlyDone(SandboxError):
    """A resource exists, but not everything that was wanted of it could be done."""

    def __init__(self, error: SandboxError, id: str, state: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.id = id
        self.state = state


def _answers(method: Callable[[Provider, Any], Any]) -> Callable[[Provider, Any, grpc.ServicerContext], Any]:
    """Turn a method into one that tells the engine of its errors, with the resource and what was being done."""

    @wraps(method)
    def answer(self: Provider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request)
        except PartlyDone as error:
            return _abort_partly_done(context, f"{_subject(method, request)}: {error}", error)
        except SandboxError as error:
            # Not one of the codes after which the engine takes the state of the resource as unknown.
            return context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{_subject(method, request)}: {error}")

    return answer


def _subject(method: Callable[..., Any], request: Any) -> str:
    doing = {"Create": "creating", "Read": "reading", "Update": "updating", "Delete": "deleting"}
    name = method.__name__
    urn = getattr(request, "urn", "")
    if not urn or name not in doing:
        return getattr(request, "tok", "") or "aws"
    kind, logical_name = urn.split("::", 3)[2:]
    id = f" ({request.id})" if getattr(request, "id", "") else ""
    return f"{doing[name]} {kind.rpartition('$')[2]} {logical_name!r}{id}"


def _abort_partly_done(context: grpc.ServicerContext, message: str, error: PartlyDone) -> NoReturn:
    """Tell the engine to keep the resource in its state, so that the next deployment goes on from there."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id, properties=values.to_struct(error.state), reasons=[message]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """gRPC service `pulumirpc.ResourceProvider`; requests come from many threads."""

    def __init__(self) -> None:
        self._connections: Connections | None = None

    @property
    def connections(self) -> Connections:
        """The clients; a SandboxError before Configure."""
        if self._connections is None:
            raise SandboxError("the provider is not configured yet")
        return self._connections

    # The provider itself --------------------------------------------------------------------------------------

    def Handshake(self, request: Any, context: Any) -> Any:
        # Without secrets and outputs the engine hands over plain values and marks secrets itself.
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi_aws"))

    def Attach(self, request: Any, context: Any) -> Any:
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    @_answers
    def CheckConfig(self, request: Any) -> Any:
        news = values.from_struct(request.news)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=f"not carried by the sandbox: provider setting {name!r}")
            for name in sorted(news.keys() - SETTINGS - IGNORED_SETTINGS)
            if not name.startswith("__")
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_answers
    def DiffConfig(self, request: Any) -> Any:
        old, new = values.from_struct(request.olds), values.from_struct(request.news)
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=changed)

    @_answers
    def Configure(self, request: Any) -> Any:
        settings = values.from_struct(request.args)
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

    @_answers
    def Invoke(self, request: Any) -> Any:
        if request.tok != CALLER_IDENTITY:
            raise SandboxError(f"not carried by the sandbox: function {request.tok}")
        answer = self.connections.send("sts", self.connections.region, "get_caller_identity")
        found = {"accountId": answer["Account"], "arn": answer["Arn"], "userId": answer["UserId"]}
        found["id"] = answer["Account"]
        return provider_pb2.InvokeResponse(**{"return": values.to_struct(found)})

    # Resources ------------------------------------------------------------------------------------------------

    @_answers
    def Check(self, request: Any) -> Any:
        news, olds = values.from_struct(request.news), values.from_struct(request.olds)
        name = request.urn.rpartition("::")[2]
        inputs, problems = check(_type(request), name, news, olds, self.connections, request.randomSeed)
        failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in problems]
        return provider_pb2.CheckResponse(inputs=values.to_struct(inputs), failures=failures)

    @_answers
    def Diff(self, request: Any) -> Any:
        kind = _type(request)
        state, wanted = values.from_struct(request.olds), values.from_struct(request.news)
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

    @_answers
    def Create(self, request: Any) -> Any:
        kind, wanted = _type(request), values.from_struct(request.properties)
        if request.preview:
            waits = kind.output_fields.keys() | (kind.computed & kind.fields.keys())
            outputs = dict.fromkeys(waits, values.UNKNOWN) | _shown(wanted)
            return provider_pb2.CreateResponse(properties=values.to_struct(outputs))
        resource = Resource(kind, self.connections, wanted=wanted)
        try:
            resource.create()
            state = _present(resource)
        except SandboxError as error:
            if resource.id:
                raise PartlyDone(error, resource.id, _what_is_there(resource)) from error
            raise
        return provider_pb2.CreateResponse(id=resource.id, properties=values.to_struct(state))

    @_answers
    def Read(self, request: Any) -> Any:
        kind = _type(request)
        resource = Resource(kind, self.connections, id=request.id, state=values.from_struct(request.properties))
        state = resource.read()
        if state is None:
            return provider_pb2.ReadResponse()
        inputs = _inputs_of(kind, state, values.from_struct(request.inputs))
        properties, inputs = values.to_struct(state), values.to_struct(inputs)
        return provider_pb2.ReadResponse(id=resource.id, properties=properties, inputs=inputs)

    @_answers
    def Update(self, request: Any) -> Any:
        kind = _type(request)
        state, wanted = values.from_struct(request.olds), values.from_struct(request.news)
        if request.preview:
            kept = kind.output_fields.keys() | kind.computed
            renewed = dict.fromkeys(kind.renewed, values.UNKNOWN)
            outputs = {name: value for name, value in state.items() if name in kept} | renewed | _shown(wanted)
            return provider_pb2.UpdateResponse(properties=values.to_struct(outputs))
        resource = Resource(kind, self.connections, id=request.id, wanted=wanted, state=state)
        resource.update(request.ignoreChanges)
        return provider_pb2.UpdateResponse(properties=values.to_struct(_present(resource)))

    @_answers
    def Delete(self, request: Any) -> Any:
        state = values.from_struct(request.properties)
        Resource(_type(request), self.connections, id=request.id, state=state).delete()
        return Empty()


def _type(request: Any) -> ResourceType:
    token = request.urn.split("::")[2].rpartition("$")[2]
    if token not in CATALOG:
        raise SandboxError(f"not carried by the sandbox: resource type {token}")
    return CATALOG[token]


def _shown(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if not name.startswith("__")}


def _present(resource: Resource) -> dict[str, Any]:
    state = resource.read()
    if state is None:
        raise SandboxError(f"{resource.id} was written, but AWS does not show it")
    return state


def _what_is_there(resource: Resource) -> dict[str, Any]:
    """The state of a half-made resource; the little that is certain where AWS does not tell."""
    try:
        state = resource.read()
    except SandboxError:
        state = None
    certain = {name: resource.wanted[name] for name in resource.type.local | {"region"} if name in resource.wanted}
    return certain if state is None else state


def _inputs_of(kind: ResourceType, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a program would have to ask for to get this state: the inputs of before, except where AWS has drifted."""
    if not inputs:
        found = {name: state[name] for name in kind.fields if name in state and not values.blank(state[name])}
        return found | {"__defaults": []}
    drifted = diff.top_level(diff.differences(kind, state, inputs)) - kind.local
    kept = {name: value for name, value in inputs.items() if name not in drifted}
    return kept | {name: state[name] for name in drifted if not values.blank(state.get(name))}


def serve() -> None:
    """Serve until the engine ends; print the port, as the engine expects of a plugin."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=64),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
            ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine ends its plugins by an interrupt, and waits five seconds for each that does not end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop(grace=None))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with, args=(os.getppid(), server), daemon=True).start()
    server.wait_for_termination()


def _end_with(parent: int, server: grpc.Server) -> None:
    """End when the engine is gone, even if it was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    server.stop(grace=None)


if __name__ == "__main__":
    serve()
