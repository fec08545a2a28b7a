"""AWS on loopback: moto in this process, behind a wrapper that makes it behave as AWS does for this topology.

`python -m sandbox.aws.emulator --state DIR` serves until SIGTERM. Tests use `running()`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import json
import os
import re
import signal
import socket
import ssl
import struct
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from moto.backend_index import backend_url_patterns
from moto.backends import list_of_moto_modules
from moto.core.base_backend import BackendDict
from moto.core.exceptions import ServiceException
from moto.core.model_instances import reset_model_data
from moto.core.parse import RequestParserError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import LISTEN_QUEUE, BaseWSGIServer, make_server

from dr.errors import Invalid
from sandbox.aws import control
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours import balancers, clusters, functions, health, messages, minutes, replication
from sandbox.aws.call import Answer, AwsError, Call, NotEmulatedError, identify
from sandbox.aws.extensions import (
    HANDLERS,
    acm,
    autoscaling,
    awslambda,
    backup,
    cloudwatch,
    cloudwatch_composite,
    ec2,
    ec2_capacity,
    eks,
    eks_access,
    eks_nodes,
    elbv2,
    iam,
    kms,
    logs,
    route53,
    s3,
    s3_replication,
    scheduler,
    service_quotas,
    sns,
    tagging,
)
from sandbox.aws.faults import ConnectionCutError, Faults
from sandbox.aws.guard import is_loopback, stay_on_loopback
from sandbox.charts.hosts import ChartHosts, Site
from sandbox.clusters.traffic import Traffic
from sandbox.engine import fork_server
from sandbox.local import ROOT, Local
from sandbox.toolchain.kubernetes_binaries import Binaries, ensure_binaries, in_folder

PORT = re.compile(r":\d+$")
#: Their import registers what they answer.
EXTENSIONS = (
    *(
        acm,
        autoscaling,
        awslambda,
        backup,
        cloudwatch,
        cloudwatch_composite,
        ec2,
        ec2_capacity,
        eks,
        eks_access,
        eks_nodes,
    ),
    *(elbv2, iam, kms, logs, route53, s3, s3_replication, scheduler, service_quotas, sns, tagging),
)


class Emulator:
    """One emulated AWS. moto's backends are global to the process, so there is one of these at a time."""

    def __init__(self, folder: Path, binaries: Binaries | None = None) -> None:
        self.id = str(uuid.uuid4())
        self.pid = os.getpid()
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.faults = Faults()
        self.calls = control.CallRecord()
        self.endpoints: dict[str, bool] = {}
        self.endpoint = ""
        """Where it serves, once it does."""
        self.replication = replication.Replicator(self.faults)
        self.messages = messages.Messages(self.faults)
        self.functions = functions.Functions(self)
        self.clusters = clusters.Clusters(self, binaries, folder)
        self.authority = Authority(folder)
        self.charts = ChartHosts(folder / "charts")
        self.refused: set[str] = set()
        """Hosts that somebody wanted to reach through this proxy, and that are not answered for."""
        self._turns: dict[tuple[str, str], threading.RLock] = {}
        self.minutes = minutes.Minutes(self)
        self.traffic = Traffic(self, binaries is not None)
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto looks through its folders at every request; which of its services a host names never changes.
        self._moto.get_backend_for_host = functools.cache(self._moto.get_backend_for_host)  # type: ignore[method-assign]

    def client(self, service: str, region: str, **options: Any) -> Any:
        """A boto3 client of this emulator."""
        return _session().client(service, region_name=region, endpoint_url=self.endpoint, **options)

    def stop(self) -> None:
        """End what it started."""
        self.replication.stop()
        self.minutes.stop()
        self.functions.stop()
        self.clusters.stop()
        self.charts.stop()

    def reset(self) -> None:
        """Empty moto and forget faults, calls, messages and endpoints; the clock is the machine's again."""
        self.functions.stop()
        self.clusters.forget()
        self.minutes.forget()
        self.messages.forget()
        with replication.WRITES:
            BackendDict.reset()
            reset_model_data()
            self.replication.forget()
        self.faults.clear()
        self.endpoints.clear()
        self.calls = control.CallRecord()
        self.refused.clear()
        self.traffic.asked = False

    def faults_changed(self) -> None:
        """Let what is in a lost region stop, and what waited for a fault to heal go on."""
        self.clusters.faults_changed()
        self.replication.wake()
        self.traffic.wake()

    def handle(self, environ: dict[str, Any], body: bytes) -> Answer:
        """Answer one HTTP request. Raises ConnectionCutError where a fault takes the connection away."""
        path, host = environ["PATH_INFO"], environ.get("HTTP_HOST", "")
        if not self.traffic.on and path in health.PATHS:
            return health.answer(self, host, path)
        if not is_loopback(PORT.sub("", host)):
            if flow := balancers.connect(self, PORT.sub("", host)):
                return flow.send(environ, body)
            self.refused.add(host)
            return Answer.of_text(f"{host} refused: the sandbox answers for this machine only\n", 403)
        if path.startswith(control.PREFIX):
            return control.answer(self, environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body)
        call = identify(self, environ, body)
        if path.startswith("/moto-api"):
            return self.ask_moto(call)
        target, status = call.target, 0
        try:
            answer = self._answer(call)
            status = answer.status
            return answer
        finally:
            self.calls.add(call, target, status)

    def tunnel(self, host: str) -> tuple[ssl.SSLContext, balancers.Flow | Site | None] | None:
        """How to answer over TLS as a host, and what a connection to it leads to; None for a name that is not known.

        Raises ConnectionCutError where it leads nowhere.
        """
        name = PORT.sub("", host)
        found = self._tunnel(name)
        if found is None:
            self.refused.add(name)
        return found

    def _tunnel(self, name: str) -> tuple[ssl.SSLContext, balancers.Flow | Site | None] | None:
        if site := self.charts.site(name):
            return self.authority.context(name), site
        if self.traffic.on:
            flow = balancers.connect(self, name)
            return (self.authority.context(name), flow) if flow else None
        region = health.region_serving(self, name)
        if region is None:
            return None
        if self.faults.unreachable(region):
            raise ConnectionCutError(f"{name}: {region} cannot be reached")
        return self.authority.context(name), None

    def ask_moto(self, call: Call) -> Answer:
        """moto's own answer. Raises NotEmulatedError where moto has none."""
        if not _in_moto(call.service):
            raise NotEmulatedError(call)
        started: list[Any] = []
        chunks = self._moto(call.wsgi(), lambda *arguments: started.extend(arguments))
        body = b"".join(chunks)
        chunks.close()
        status, headers = int(started[0].split()[0]), dict(started[1])
        unrouted = status == 404 and (call.model is None or headers.get("Content-Type", "").startswith("text/html"))
        if unrouted and call.service != "s3":
            raise NotEmulatedError(call)
        return Answer(status, body, headers)

    def _turn(self, call: Call) -> contextlib.AbstractContextManager[Any]:
        """One call of a service in a region at a time: moto goes through dictionaries that other threads change.
        S3 answers many at a time, all but writes, which are queued for replication in their order."""
        if call.service == "s3":
            return replication.WRITES if s3.writes(call) else contextlib.nullcontext()
        # One step, whoever else asks: a default dictionary would make two.
        return self._turns.setdefault((call.service, call.target), threading.RLock())

    def _answer(self, call: Call) -> Answer:
        try:
            self.faults.apply(call)
            s3.refuse_misrouted(call)
            with self._turn(call):
                handler = HANDLERS.get((call.service, call.operation))
                content = handler(call, lambda: self.ask_moto(call)) if handler else self.ask_moto(call)
                answer = content if isinstance(content, Answer) else call.result(content)
                if call.service == "s3" and answer.status < 300:
                    self.replication.observe(call, answer)
                return answer
        except ServiceException as error:
            return call.error(error)
        except ConnectionCutError:
            raise
        except NotImplementedError:
            return call.error(NotEmulatedError(call))
        except RequestParserError as error:
            code = "MalformedXML" if call.service == "s3" else "SerializationException"
            return call.error(AwsError(code, str(error)))
        except Exception as error:  # noqa: BLE001  moto's defects are of any kind, and it would answer an HTML page
            sys.stderr.write(f"{call.name} failed\n{traceback.format_exc()}")
            return call.error(NotEmulatedError(call, f" (it failed: {type(error).__name__}: {error})"))


@functools.cache
def _in_moto(service: str) -> bool:
    """Whether moto has the service at all; asked for another, its dispatcher breaks."""
    host = f"http://{service}.us-east-1.amazonaws.com"
    by_name = service.replace("-", "") in set(list_of_moto_modules())
    return by_name or any(pattern.match(host) for _, pattern in backend_url_patterns)


class Handler(MotoRequestHandler):
    """HTTP/1.1 with kept-alive connections, which werkzeug's own handler closes after every answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    flow: balancers.Flow | Site | None = None
    """Where a tunnel leads, in one."""

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("wsgi.input_terminated")
        body = environ["wsgi.input"].read() if chunked else self.rfile.read(length)
        try:
            if self.command == "CONNECT":
                self._tunnel(environ["RAW_URI"])
                return
            answer = self.flow.send(environ, body) if self.flow else self.server.app.handle(environ, body)  # type: ignore[attr-defined]
        except ConnectionCutError:
            # Lingering for 0 s resets the connection instead of ending it politely.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._answer(answer)

    def _tunnel(self, host: str) -> None:
        """Be the endpoint that a client wants to reach through this proxy, over TLS."""
        found = self.server.app.tunnel(host)  # type: ignore[attr-defined]
        if found is None:
            self._answer(Answer.of_text(f"{host} refused: the sandbox answers for this machine only\n", 403))
            return
        context, self.flow = found
        self.send_response_only(200, "Connection established")
        self.end_headers()
        try:
            self.request = context.wrap_socket(self.connection, server_side=True)
        except OSError:  # the client does not trust the sandbox's authority, or went away
            self.close_connection = True
            return
        # From here on requests come through the tunnel.
        self.setup()
        self.close_connection = False

    def _answer(self, answer: Answer) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if self.command != "HEAD" and answer.status not in (204, 304):
            headers["content-length"] = str(len(answer.body))  # an extension may have changed moto's body
        headers.setdefault("date", self.date_time_string())
        self.send_response_only(answer.status)
        for name, value in headers.items():
            if name not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the control API has the record of calls."""


@functools.cache
def _session() -> boto3.Session:
    # Shared, because a session reads botocore's service models anew.
    return boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox")


class Running:
    """An emulator that serves in this process."""

    def __init__(self, emulator: Emulator, port: int) -> None:
        self.emulator = emulator
        self.endpoint = f"http://127.0.0.1:{port}"

    def client(self, service: str, region: str, **options: Any) -> Any:
        """A boto3 client of the emulator."""
        return self.emulator.client(service, region, **options)


def serve(emulator: Emulator, port: int = 0) -> BaseWSGIServer:
    """A server bound to loopback, its socket listening; the caller runs `serve_forever`. Raises OSError."""
    stay_on_loopback()
    with socket.create_server(("127.0.0.1", port), backlog=LISTEN_QUEUE) as listening:
        # Typed as a WSGI application; the handler above calls `handle` instead.
        application: Any = emulator
        server = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=Handler, fd=listening.fileno()
        )
    emulator.endpoint = f"http://127.0.0.1:{server.port}"
    return server


@contextlib.contextmanager
def running(port: int = 0, *, kubernetes: bool = False) -> Iterator[Running]:
    """An empty emulator served by threads of this process, ended with the block. Its clock moves when it is told to.

    With `kubernetes` there is one behind EKS, which is built first where there is none.
    """
    folder = tempfile.TemporaryDirectory(prefix="emulator-")
    emulator = Emulator(Path(folder.name), ensure_binaries(lambda text, share: None) if kubernetes else None)
    emulator.reset()
    server = serve(emulator, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    emulator.replication.start()
    try:
        yield Running(emulator, server.port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        emulator.stop()
        folder.cleanup()


def main() -> None:
    """Serve in the foreground and say so in DIR/emulator.json until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws.emulator", description="Serve AWS until SIGTERM.")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="where emulator.json is written")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--kubernetes", type=Path, metavar="FOLDER", help="programs of a control plane; else EKS has no Kubernetes"
    )
    arguments = parser.parse_args()
    try:
        binaries = in_folder(arguments.kubernetes) if arguments.kubernetes else None
    except Invalid as error:
        sys.exit(str(error))
    arguments.state.mkdir(parents=True, exist_ok=True)
    emulator = Emulator(arguments.state, binaries)
    try:
        server = serve(emulator, arguments.port)
    except OSError as error:
        sys.exit(f"port {arguments.port} cannot be bound ({error}); leave --port out to take a free one")
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever, which runs in this very thread.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    emulator.replication.start()
    emulator.minutes.start()
    forks = Local(arguments.state, ROOT).forks
    forking = fork_server.start(forks)
    file = arguments.state / "emulator.json"
    written = {
        "pid": emulator.pid,
        "port": server.port,
        "endpoint": emulator.endpoint,
        "authority": str(emulator.authority.file),
        "id": emulator.id,
        "started": emulator.started,
    }
    draft = file.with_suffix(f".{emulator.pid}")
    draft.write_text(json.dumps(written))
    draft.replace(file)
    try:
        server.serve_forever(poll_interval=0.05)
    finally:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(file.read_text())["id"] == emulator.id:
                file.unlink()
                emulator.authority.file.unlink()
        server.server_close()
        fork_server.stop(forking, forks)
        emulator.stop()


if __name__ == "__main__":
    main()
