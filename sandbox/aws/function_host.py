"""The process a Lambda function runs in: imports its handler once, then answers one event a line.

Run with the unpacked code as working directory. Standard input and output belong to the emulator; what the function
prints goes to standard error, as a log. It ends when its input does, so it never outlives the emulator.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """What a handler gets beside the event (Lambda developer guide, "Python context object")."""

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
        """Milliseconds until it is killed."""
        return max(0, int((self._end - time.monotonic()) * 1000))


def failure(error: BaseException) -> dict[str, Any]:
    """An error as Lambda answers it."""
    trace = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    told = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": trace}
    return {"failed": True, "payload": told}


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, os.getcwd())
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler, broken = None, None
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    except Exception as error:  # noqa: BLE001 - whatever the function's module does
        broken = failure(error)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = broken or {"failed": False, "payload": handler(request["event"], Context(request))}  # type: ignore[misc]
            text = json.dumps(answer)
        except Exception as error:  # noqa: BLE001 - whatever the function does
            text = json.dumps(failure(error))
        sys.stdout.flush()
        answers.write(f"{text}\n")
        answers.flush()


if __name__ == "__main__":
    main()
