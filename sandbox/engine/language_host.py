"""A language host for Python: the Pulumi engine runs programs and policy packs through it.

The engine that is built from source comes without one. This host serves the gRPC service `LanguageRuntime` of
pulumi/language.proto. The engine starts it as the plugin `pulumi-language-python`, reads its port from the first line
of stdout, and shows whatever else arrives there. Programs run with the interpreter that runs this file.

Usage: language_host.py --runner PATH [--python COMMAND] ENGINE_ADDRESS
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from importlib import metadata
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeServicer, add_LanguageRuntimeServicer_to_server

BAIL = 32
"""The program runner's exit code for a failure that it has already reported."""

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes; the limit that the engine and the SDK set on their own channels."""


class LanguageHost(LanguageRuntimeServicer):
    """Runs Python programs and policy packs for the engine.

    Args:
        runner: The SDK's program runner, `pulumi-language-python-exec`.
        engine: Address of the engine, host:port; replaced by the one of `Handshake`.
        python: The command that stands for `python`.
    """

    def __init__(self, runner: Path, engine: str = "", python: Sequence[str] = (sys.executable,)) -> None:
        self.runner = runner
        self.engine = engine
        self.python = python
        self.children: set[subprocess.Popen[bytes]] = set()

    def Handshake(
        self, request: pb.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> pb.LanguageHandshakeResponse:
        """Store the engine's address."""
        self.engine = request.engine_address
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the SDK's version as the host's."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(
        self, request: pb.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> pb.GetRequiredPackagesResponse:
        """Return none: the engine learns provider and version when resources register."""
        return pb.GetRequiredPackagesResponse()

    def RuntimeOptionsPrompts(
        self, request: pb.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> pb.RuntimeOptionsResponse:
        """Return no prompts."""
        return pb.RuntimeOptionsResponse()

    def InstallDependencies(
        self, request: pb.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.InstallDependenciesResponse]:
        """Install nothing, and name the command that does."""
        yield pb.InstallDependenciesResponse(stdout=b"Dependencies are locked; `make up` installs them.\n")

    def About(self, request: pb.AboutRequest, context: grpc.ServicerContext) -> pb.AboutResponse:
        """Return the interpreter of programs."""
        return pb.AboutResponse(executable=sys.executable, version=platform.python_version())

    def GetProgramDependencies(
        self, request: pb.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> pb.GetProgramDependenciesResponse:
        """Return every installed distribution."""
        found = {dist.name: dist.version for dist in metadata.distributions()}
        dependencies = [pb.DependencyInfo(name=name, version=found[name]) for name in sorted(found)]
        return pb.GetProgramDependenciesResponse(dependencies=dependencies)

    def Run(self, request: pb.RunRequest, context: grpc.ServicerContext) -> pb.RunResponse:
        """Run a program to its end. Its output goes to this process's stdout, which the engine shows."""
        refuse_debugger(request.attach_debugger, context)
        environment = {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            "PYTHONUNBUFFERED": "1",
        }
        code = self._start(
            [str(self.runner), *runner_arguments(request, self.engine)], request.info.program_directory, environment
        ).wait()
        if code == 0:
            return pb.RunResponse()
        if code == BAIL:
            return pb.RunResponse(bail=True)
        return pb.RunResponse(error=f"the program ended with exit code {code}")

    def RunPlugin(self, request: pb.RunPluginRequest, context: grpc.ServicerContext) -> Iterator[pb.RunPluginResponse]:
        """Run a plugin written in Python, such as a policy pack; stream its output, then its exit code."""
        refuse_debugger(request.attach_debugger, context)
        directory = request.info.program_directory
        # An analyzer is a policy pack, which a module of the SDK serves. Other plugins are programs themselves.
        arguments = (
            ["-m", "pulumi.policy", *request.args, directory]
            if request.kind == "analyzer"
            else [directory, *request.args]
        )
        environment = dict(entry.split("=", 1) for entry in request.env)
        child = self._start(["-u", *arguments], request.pwd, environment, piped=True)
        context.add_callback(lambda: stop(child))
        yield from output_of(child)
        yield pb.RunPluginResponse(exitcode=child.wait())

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Stop the running programs."""
        self.stop()
        return Empty()

    def stop(self) -> None:
        """End every child."""
        for child in list(self.children):
            stop(child)

    def _start(
        self, arguments: Sequence[str], directory: str, environment: Mapping[str, str], piped: bool = False
    ) -> subprocess.Popen[bytes]:
        self.children = {child for child in self.children if child.poll() is None}
        pipe = subprocess.PIPE if piped else None
        child = subprocess.Popen(
            [*self.python, *arguments],
            cwd=directory or None,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )
        self.children.add(child)
        return child


def runner_arguments(request: pb.RunRequest, engine: str) -> list[str]:
    """The command line of the SDK's program runner for a request; empty values are left out."""
    options = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "false",
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    return [*given, request.info.entry_point or ".", *request.args]


def output_of(child: subprocess.Popen[bytes]) -> Iterator[pb.RunPluginResponse]:
    """The output of a child on both streams, as it arrives, until both are closed."""
    parts: queue.Queue[pb.RunPluginResponse | None] = queue.Queue()

    def forward(name: str) -> None:
        stream = getattr(child, name)
        for part in iter(lambda: stream.read1(65536), b""):
            parts.put(pb.RunPluginResponse(**{name: part}))
        parts.put(None)

    for name in ("stdout", "stderr"):
        threading.Thread(target=forward, args=(name,), daemon=True).start()
    for _ in range(2):
        yield from iter(parts.get, None)


def stop(child: subprocess.Popen[bytes]) -> None:
    """Terminate a child, unless it has ended."""
    if child.poll() is None:
        child.terminate()


def refuse_debugger(wanted: bool, context: grpc.ServicerContext) -> None:
    """Answer UNIMPLEMENTED to a request for a debugger."""
    if wanted:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, "this language host attaches no debugger; leave out --attach-debugger"
        )


def main() -> None:
    """Serve until the engine sends SIGINT or SIGTERM, or has ended."""
    parser = argparse.ArgumentParser(description="Language host for Python")
    parser.add_argument("--runner", type=Path, required=True)
    parser.add_argument(
        "--python", type=shlex.split, default=[sys.executable], help="the command that stands for python"
    )
    parser.add_argument("engine", nargs="?", default="")
    arguments, _ = parser.parse_known_args()

    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    parent = os.getppid()
    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=options)
    host = LanguageHost(arguments.runner, arguments.engine, arguments.python)
    add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    # A killed engine sends no signal: its children get another parent.
    while not done.wait(timeout=1) and os.getppid() == parent:
        pass
    host.stop()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
