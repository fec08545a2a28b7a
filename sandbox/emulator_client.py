"""Client of the emulator's control API: faults, health, clock, messages."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from dr.errors import Failed, Invalid, Problem
from sandbox.server_process import LOOPBACK, Server


def ask(server: Server, method: str, path: str, content: object = None) -> Any:
    """Call the control API and return the JSON of the response.

    Args:
        server: The running emulator.
        method: HTTP method.
        path: Path below `/_sandbox/`.
        content: Body of the request, sent as JSON; None for no body.

    Raises:
        Invalid: The request is not valid (400).
        Failed: The emulator does not answer, or the request failed.
    """
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{server.endpoint}/_sandbox/{path}", data=data, method=method)  # noqa: S310 # loopback
    try:
        with LOOPBACK.open(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
        kind = Invalid if error.code == HTTPStatus.BAD_REQUEST else Failed
        raise kind(Problem("the sandbox", answer["error"], "fix the reported problem")) from error
    except (urllib.error.URLError, OSError) as error:
        raise Failed(Problem("the sandbox", f"it does not answer: {error}", "`make down`, then `make up`")) from error
