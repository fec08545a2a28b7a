"""Lambda functions, each in its own process with the environment that Lambda sets.

A process serves one version of code and configuration. It ends when either changes, when an invocation exceeds the
function's timeout, and with the emulator. Python runtimes only, run by the emulator's own Python, one invocation at a
time. The permissions of the function's role are not enforced. Functions of an unreachable region do not run.

An asynchronous invocation that sleeps is suspended until the sandbox's clock has advanced. One that fails is retried
(behaviours/asynchronous.py), unless its region was lost. An invocation that waits for its answer does neither.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours.asynchronous import Invocation, Retries
from sandbox.aws.behaviours.sources import FUNCTION_USER

HOST = Path(__file__).parents[1] / "function_host.py"
PASSED_ON = ("PATH", "LANG", "SYSTEMROOT")


@dataclass
class Outcome:
    """The result of an invocation."""

    payload: bytes
    error: str = ""


@dataclass
class Host:
    """A running process and the folder of its code."""

    version: tuple[str, ...]
    process: subprocess.Popen[str]
    folder: tempfile.TemporaryDirectory[str]
    log: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    invocation: Invocation | None = None
    """The asynchronous invocation that runs or is suspended."""
    sleeping: LambdaFunction | None = None
    """The function of the suspended invocation."""
    wakes: float = 0.0
    """When the suspended invocation goes on, in seconds since 1970."""
    ends: float = 0.0
    """When the invocation times out, in seconds since 1970."""

    def end(self) -> None:
        """Kill the process and delete its folder."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        self.log.close()
        self.folder.cleanup()


class Functions:
    """The processes of all functions.

    Args:
        endpoint: URL of the emulator.
        authority: Signs the certificates of endpoints; functions trust it.
    """

    def __init__(self, endpoint: str, authority: Authority) -> None:
        self._endpoint, self._authority = endpoint, authority
        self._hosts: dict[str, Host] = {}
        self._retries = Retries()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Kill all processes, and drop events that wait for a retry."""
        self._retries.clear()
        with self._lock:
            for host in self._hosts.values():
                host.end()
            self._hosts.clear()

    def invoke(self, region: str, name: str, event: Any) -> Outcome:
        """Run a function to its end. Its errors are in the outcome. Raises UnknownFunctionException."""
        function = lambda_backends[ACCOUNT][region].get_function(name)
        host = self._host(function)
        with host.lock:
            self._finish(host)
            outcome = self._ask(host, function, self._request(function, event))
            while outcome is None:
                outcome = self._ask(host, function, {"now": host.wakes})
            self._end(function, host, outcome)
        return outcome

    def start(self, region: str, name: str, event: Any) -> None:
        """Invoke a function asynchronously: until it ends or sleeps. Raises UnknownFunctionException."""
        self._attempt(Invocation(region, name, event))

    def retry(self, unreachable: Callable[[str], bool]) -> None:
        """Start the due attempts of failed events; those of unreachable regions and deleted functions are dropped.

        Args:
            unreachable: Whether a region is unreachable.
        """
        for invocation in self._retries.take():
            with contextlib.suppress(UnknownFunctionException):
                if not unreachable(invocation.region):
                    self._attempt(invocation)

    def _attempt(self, invocation: Invocation) -> None:
        function = lambda_backends[ACCOUNT][invocation.region].get_function(invocation.name)
        host = self._host(function)
        with host.lock:
            self._finish(host)
            host.invocation = invocation
            self._go_on(host, function, self._request(function, invocation.event))

    def wake(self, unreachable: Callable[[str], bool]) -> None:
        """Continue suspended functions when their time is over. Those of unreachable regions end.

        Args:
            unreachable: Whether a region is unreachable.
        """
        with self._lock:
            hosts = list(self._hosts.values())
        for host in hosts:
            with host.lock:
                if (function := host.sleeping) is None:
                    continue
                if unreachable(function.region):
                    host.sleeping = host.invocation = None
                    host.process.kill()
                    host.process.wait()
                elif (now := clock.now().timestamp()) >= host.wakes:
                    self._go_on(host, function, {"now": now})

    def _go_on(self, host: Host, function: LambdaFunction, request: dict[str, Any]) -> None:
        outcome = self._ask(host, function, request)
        if outcome is None:
            host.sleeping = function
        else:
            self._end(function, host, outcome)

    def _finish(self, host: Host) -> None:
        """End a suspended invocation before the next one."""
        while host.sleeping:
            self._go_on(host, host.sleeping, {"now": host.wakes})

    def _end(self, function: LambdaFunction, host: Host, outcome: Outcome) -> None:
        invocation, host.sleeping, host.invocation = host.invocation, None, None
        self._write_log(function, host)
        _count(function.region, function.function_name, bool(outcome.error))
        if invocation and outcome.error:
            self._retries.failed(function, invocation, outcome.payload)

    def _host(self, function: LambdaFunction) -> Host:
        environment = json.dumps(function.environment_vars, sort_keys=True)
        version = (function.code_sha_256, environment, str(function.handler), str(function.timeout))
        with self._lock:
            host = self._hosts.get(function.function_arn)
            if host and (host.version != version or host.process.poll() is not None):
                host.end()
                host = None
            if host is None:
                host = self._hosts[function.function_arn] = self._start(function, version)
            return host

    def _start(self, function: LambdaFunction, version: tuple[str, ...]) -> Host:
        folder = tempfile.TemporaryDirectory(prefix="function-")
        zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(folder.name)
        log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - open as long as the process
        process = subprocess.Popen(
            [sys.executable, "-P", str(HOST)],
            cwd=folder.name,
            env=self._environment(function),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        return Host(version, process, folder, log)

    def _environment(self, function: LambdaFunction) -> dict[str, str]:
        """Variables of Lambda ("Using Lambda environment variables"), of the function and of the sandbox."""
        region = function.region
        group = log_group(function)
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": group,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"[$LATEST]{uuid.uuid4().hex}",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            "_HANDLER": str(function.handler),
            "TZ": ":UTC",
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "PYTHONDONTWRITEBYTECODE": "1",
            **function.environment_vars,
            "AWS_ENDPOINT_URL": self._endpoint,
            "HTTPS_PROXY": self._endpoint.replace("://", f"://{FUNCTION_USER}@"),
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self._authority.file),
        }

    def _request(self, function: LambdaFunction, event: Any) -> dict[str, Any]:
        return {
            "id": str(uuid.uuid4()),
            "arn": function.function_arn,
            "event": event,
            "timeout": function.timeout,
            "now": clock.now().timestamp(),
        }

    def _ask(self, host: Host, function: LambdaFunction, request: dict[str, Any]) -> Outcome | None:
        """Send a line to a process, and return the outcome; None if the function sleeps."""
        if "timeout" in request:
            host.ends = request["now"] + request["timeout"]
        stdin, stdout = host.process.stdin, host.process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process was started without pipes")
        try:
            stdin.write(f"{json.dumps(request)}\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], function.timeout)
            line = stdout.readline() if ready else None
        except OSError:
            line = ""
        if line == "":
            return _failed("Runtime.ExitError", "RequestId: unknown Error: Runtime exited")
        answer = json.loads(line) if line else {"sleep": float("inf")}
        if "sleep" not in answer:
            return Outcome(json.dumps(answer["payload"]).encode(), "Unhandled" if answer["failed"] else "")
        host.wakes = request["now"] + answer["sleep"]
        if host.wakes < host.ends:
            return None
        host.process.kill()
        host.process.wait()
        now = datetime.datetime.now(datetime.UTC).isoformat()
        return _failed("Sandbox.Timedout", f"{now} Task timed out after {function.timeout:.2f} seconds")

    def _write_log(self, function: LambdaFunction, host: Host) -> None:
        """Move what the function printed to its log group."""
        host.log.seek(0)
        lines = host.log.read().splitlines()
        host.log.seek(0)
        host.log.truncate()
        group, backend = log_group(function), logs_backends[ACCOUNT][function.region]
        if not lines or group not in backend.groups:
            return
        if "function" not in backend.groups[group].streams:
            backend.create_log_stream(group, "function")
        at = int(clock.now().timestamp() * 1000)
        backend.put_log_events(group, "function", [{"timestamp": at, "message": line} for line in lines])


def log_group(function: LambdaFunction) -> str:
    """A function's log group: as configured, or Lambda's default."""
    configured: dict[str, str] = vars(function).get("kept_logging", {})
    return configured.get("LogGroup", f"/aws/lambda/{function.function_name}")


def _failed(kind: str, message: str) -> Outcome:
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled")


def _count(region: str, name: str, failed: bool) -> None:
    """Record the AWS/Lambda metrics of one invocation."""
    data = [
        {"MetricName": metric, "Value": value, "Dimensions": [{"Name": "FunctionName", "Value": name}]}
        for metric, value in (("Invocations", 1), ("Errors", int(failed)))
    ]
    cloudwatch_backends[ACCOUNT][region].put_metric_data("AWS/Lambda", data)
