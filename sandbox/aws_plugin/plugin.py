"""How a stand-in for one of Pulumi's plugins serves the engine and tells it of errors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct, Value
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

LARGEST_MESSAGE_BYTES = 400 * 1024 * 1024
"""The limit that the engine and the SDK set on their own channels."""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that is not known before the deployment (pulumi/sdk, plugin/rpc.go)."""


class SandboxError(Exception):
    """Something the person at the terminal is told as it is."""


class PartlyDone(SandboxError):
    """A resource exists, but not everything that was wanted of it could be done.

    Args:
        error: What could not be done.
        id: The resource's id.
        state: Its outputs.
        inputs: What it was asked to be, where that is not what the engine has just sent.
    """

    def __init__(
        self, error: SandboxError, id: str, state: Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(str(error))
        self.id, self.state, self.inputs = id, state, inputs


def answers(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any, grpc.ServicerContext], Any]:
    """Turn a method into one that tells the engine of its errors, with the resource and what was being done."""

    @wraps(method)
    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request)
        except PartlyDone as error:
            return _abort_partly_done(context, f"{_subject(self, method, request)}: {error}", error)
        except SandboxError as error:
            # Not one of the codes after which the engine takes the state of the resource as unknown.
            return context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{_subject(self, method, request)}: {error}")

    return answer


def _subject(servicer: Any, method: Callable[..., Any], request: Any) -> str:
    doing = {"Create": "creating", "Read": "reading", "Update": "updating", "Delete": "deleting"}
    name = method.__name__
    urn = getattr(request, "urn", "")
    if not urn or name not in doing:
        return getattr(request, "tok", "") or str(servicer.package)
    id = f" ({request.id})" if getattr(request, "id", "") else ""
    return f"{doing[name]} {token(urn)} {logical_name(urn)!r}{id}"


def _abort_partly_done(context: grpc.ServicerContext, message: str, error: PartlyDone) -> NoReturn:
    """Tell the engine to keep the resource in its state, so that the next deployment goes on from there."""
    inputs = None if error.inputs is None else to_struct(error.inputs)
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id, properties=to_struct(error.state), reasons=[message], inputs=inputs
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)


def token(urn: str) -> str:
    """The resource type in a URN, without those of its parents."""
    return urn.split("::")[2].rpartition("$")[2]


def logical_name(urn: str) -> str:
    """The name a program gave."""
    return urn.split("::", 3)[3]


# Values ------------------------------------------------------------------------------------------------------------


def from_struct(struct: Struct) -> dict[str, Any]:
    """Python values of a protobuf object; nulls are left out, whole numbers become integers."""
    return {key: _from_value(value) for key, value in struct.fields.items() if not value.HasField("null_value")}


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def to_struct(values: Mapping[str, Any]) -> Struct:
    """The protobuf object of Python values."""
    struct = Struct()
    struct.update(values)
    return struct


def known(value: Any) -> bool:
    """Whether no part of a value waits for the deployment."""
    if isinstance(value, Mapping):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return bool(value != UNKNOWN)


# The process -------------------------------------------------------------------------------------------------------


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """What does not depend on the package."""

    package = ""
    """The name of the package, such as `aws`."""

    def Handshake(self, request: Any, context: Any) -> Any:
        """Without secrets: the engine hands over plain values and marks them itself."""
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:
        """Attached already."""
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """Nothing that would wait."""
        return Empty()


def serve(plugin: Plugin) -> None:
    """Serve until the engine ends; print the port, as the engine expects of a plugin."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=64),
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
            ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
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
