"""The gRPC side of a stand-in for a Pulumi plugin: the server, and errors as the engine expects them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct, Value
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

LARGEST_MESSAGE_BYTES = 400 * 1024 * 1024
"""The limit that the engine and the SDK set on their own channels."""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that is not known before the deployment (pulumi/sdk, plugin/rpc.go)."""


class SandboxError(Exception):
    """An error with a message for the person at the terminal."""


class PartlyDone(SandboxError):
    """A resource exists, and a part of its creation failed.

    Args:
        error: The failure.
        id: The resource's id.
        state: Its outputs.
        inputs: Its inputs, where they differ from those that the engine has just sent.
    """

    def __init__(
        self, error: SandboxError, id: str, state: Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(str(error))
        self.id, self.state, self.inputs = id, state, inputs


def answers(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any, grpc.ServicerContext], Any]:
    """Turn a method into one that reports its errors to the engine with the operation and the resource."""

    @wraps(method)
    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request)
        except PartlyDone as error:
            return _abort_partly_done(context, f"{_subject(self, method, request)}: {error}", error)
        except SandboxError as error:
            # After some other codes the engine takes the state of the resource as unknown.
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


def _abort_partly_done(context: grpc.ServicerContext, message: str, error: PartlyDone) -> Any:
    """Abort so that the engine keeps the resource in its state and the next deployment continues from there."""
    inputs = None if error.inputs is None else to_struct(error.inputs)
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id, properties=to_struct(error.state), reasons=[message], inputs=inputs
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    return context.abort(grpc.StatusCode.UNKNOWN, message)


def token(urn: str) -> str:
    """The resource type in a URN, without the types of its parents."""
    return urn.split("::")[2].rpartition("$")[2]


def logical_name(urn: str) -> str:
    """The name that the program gave."""
    return urn.split("::", 3)[3]


# Values ------------------------------------------------------------------------------------------------------------


def from_struct(struct: Struct) -> dict[str, Any]:
    """Python values of a protobuf object, without nulls; whole numbers become integers."""
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
    """Whether no part of a value is unknown until the deployment."""
    if isinstance(value, Mapping):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return bool(value != UNKNOWN)


# The process -------------------------------------------------------------------------------------------------------


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """The part of a plugin that does not depend on the package."""

    package = ""
    """The name of the package, such as `aws`."""

    def Handshake(self, request: Any, context: Any) -> Any:
        """Declare no support of secrets: the engine then passes plain values and marks the secret ones itself."""
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:
        """Do nothing: the engine started this process."""
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """Do nothing: no call here waits."""
        return Empty()


def serve(plugin: Plugin) -> None:
    """Serve until the engine ends. Prints the port, as the engine requires of a plugin."""
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
    # The engine interrupts its plugins and waits five seconds for each that continues.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop(grace=None))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with, args=(os.getppid(), server), daemon=True).start()
    server.wait_for_termination()


def _end_with(parent: int, server: grpc.Server) -> None:
    """Stop the server when the engine has ended, even where it was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    server.stop(grace=None)
