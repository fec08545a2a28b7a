"""The process of a Lambda function: imports the handler once, then answers one event per line.

Its working directory is the unpacked code. Standard input and output are for the emulator; what the function prints
goes to standard error, as its log. The process ends with its input, so it never outlives the emulator.

`time.time` is the sandbox's clock. `time.sleep` of a second or more in the main thread waits until that clock has
advanced: the process writes {"sleep": seconds}, and goes on after a line with the new time.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import sys
import threading
import time
import traceback
import urllib.parse
import urllib.request
from typing import Any, TextIO

_real_time, _real_sleep = time.time, time.sleep


class Clock:
    """The sandbox's clock in this process.

    Args:
        answers: The stream that the emulator reads.
    """

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self._offset = 0.0

    def set(self, now: float) -> None:
        """Set the time, in seconds since 1970."""
        self._offset = now - _real_time()

    def time(self) -> float:
        """Return the time, in seconds since 1970."""
        return _real_time() + self._offset

    def sleep(self, seconds: float) -> None:
        """Wait until the clock has advanced; short waits, and those of other threads, take real time."""
        if seconds < 1 or threading.current_thread() is not threading.main_thread():
            return _real_sleep(seconds)
        self._answers.write(f"{json.dumps({'sleep': seconds})}\n")
        self._answers.flush()
        if not (line := sys.stdin.readline()):
            raise SystemExit
        self.set(json.loads(line)["now"])


ADDRESS = re.compile(r"\d+(\.\d+){3}")


class Context:
    """The second argument of a handler (Lambda developer guide, "Python context object")."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id = request["id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.invoked_function_arn = request["arn"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._end = time.monotonic() + request["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return max(0, int((self._end - time.monotonic()) * 1000))


def failure(error: BaseException) -> dict[str, Any]:
    """An error in the form of Lambda's answers."""
    trace = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    payload = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": trace}
    return {"failed": True, "payload": payload}


def use_emulated_dns() -> None:
    """Resolve names by the emulator's name servers, as a function on AWS resolves them by Route 53's."""
    system, endpoint = socket.getaddrinfo, os.environ["AWS_ENDPOINT_URL"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def resolve(host: Any, port: Any, *rest: Any, **options: Any) -> list[Any]:
        if host in (None, "localhost") or ADDRESS.fullmatch(str(host)):
            return system(host, port, *rest, **options)
        query = urllib.parse.urlencode({"name": host, "type": "A"})
        with opener.open(f"{endpoint}/_sandbox/dns?{query}", timeout=5) as answer:
            found = [each for each in json.load(answer)["data"] if ADDRESS.fullmatch(each)]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0))) for address in found]

    socket.getaddrinfo = resolve


def main() -> None:
    """Answer requests until the input ends."""
    use_emulated_dns()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())
    clock = Clock(answers)
    time.time, time.sleep = clock.time, clock.sleep  # type: ignore[assignment]
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler, broken = None, None
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    except Exception as error:  # noqa: BLE001 - any failure of the function's module
        broken = failure(error)
    while line := sys.stdin.readline():
        request = json.loads(line)
        clock.set(request["now"])
        try:
            answer = broken or {"failed": False, "payload": handler(request["event"], Context(request))}  # type: ignore[misc]
            text = json.dumps(answer)
        except Exception as error:  # noqa: BLE001 - any failure of the function
            text = json.dumps(failure(error))
        sys.stdout.flush()
        answers.write(f"{text}\n")
        answers.flush()


if __name__ == "__main__":
    main()
