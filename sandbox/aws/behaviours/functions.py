"""Lambda functions, each in its own process with the environment that Lambda sets.

A process serves one version of code and configuration. It ends when either changes, when an invocation exceeds the
function's timeout, and with the emulator. Python runtimes only, run by the emulator's own Python, one invocation at a
time. The permissions of the function's role are not enforced. Functions of an unreachable region do not run.
"""

from __future__ import annotations

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.authority import Authority

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
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Kill all processes."""
        with self._lock:
            for host in self._hosts.values():
                host.end()
            self._hosts.clear()

    def invoke(self, region: str, name: str, event: Any) -> Outcome:
        """Run a function. Its errors are in the outcome, as on AWS. Raises KeyError for an unknown function."""
        function = lambda_backends[ACCOUNT][region].get_function(name)
        host = self._host(function)
        with host.lock:
            outcome = self._ask(host, function, event)
            self._write_log(function, host)
        _count(region, function.function_name, bool(outcome.error))
        return outcome

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
            "HTTPS_PROXY": self._endpoint,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self._authority.file),
        }

    def _ask(self, host: Host, function: LambdaFunction, event: Any) -> Outcome:
        request = {
            "id": str(uuid.uuid4()),
            "arn": function.function_arn,
            "event": event,
            "timeout": function.timeout,
        }
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
        if line is None:
            host.process.kill()
            host.process.wait()
            now = datetime.datetime.now(datetime.UTC).isoformat()
            message = f"{now} {request['id']} Task timed out after {function.timeout:.2f} seconds"
            return _failed("Sandbox.Timedout", message)
        if not line:
            return _failed("Runtime.ExitError", "RequestId: {id} Error: Runtime exited".format(**request))
        answer = json.loads(line)
        return Outcome(json.dumps(answer["payload"]).encode(), "Unhandled" if answer["failed"] else "")

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
