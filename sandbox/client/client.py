"""A client population: sends inference requests by the public name, and logs each answer against the right one."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO

from dr.errors import DrError
from dr.operations.client_log import Request
from sandbox.client.endpoint import Endpoint
from sandbox.client.predictions import INFER_PATH, Predictions
from sandbox.client.resolver import CachingResolver, LookupFailedError
from sandbox.model_set import infer_request

LONGEST_ERROR = 300


@dataclass(frozen=True)
class Client:
    """Sends requests, in turn by each resolver, and writes one line for each.

    Args:
        endpoint: The endpoint, by its public name.
        resolvers: The resolver of each client population.
        predictions: Inputs and right answers.
        now: Returns the sandbox's time.
        region_of: Returns the region of a load balancer's DNS name; None for an unknown one.
        timeout: Time limit in seconds of each step of a connection.
        file: The log.
    """

    endpoint: Endpoint
    resolvers: Sequence[CachingResolver]
    predictions: Predictions
    now: Callable[[], datetime]
    region_of: Callable[[str], str | None]
    timeout: float
    file: IO[str]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, number: int) -> None:
        """Send one request and log it."""
        request = self.request(number)
        with self._lock:
            self.file.write(request.line())
            self.file.flush()

    def request(self, number: int) -> Request:
        """Send one request. Each error is a part of the result."""
        turn, row = number % len(self.resolvers), number % len(self.predictions.rows)
        sent, sent_modelled, began = datetime.now(UTC), self.now(), time.monotonic()
        address, region, status, text, error = "", "", None, "", ""
        try:
            found = self.resolvers[turn].resolve(self.endpoint.name)
            address, region = found.address, self.region_of(found.canonical) or ""
            content = infer_request(self.predictions.rows[row])
            status, text = self.endpoint.call("POST", INFER_PATH, content, address, self.timeout)
        except LookupFailedError as failure:
            error = str(failure)
        except (OSError, http.client.HTTPException) as failure:
            error = f"{type(failure).__name__}: {failure}"
        request = Request(
            number=number,
            sent=sent,
            sent_modelled=sent_modelled,
            resolver=turn,
            address=address,
            region=region,
            status=status,
            seconds=round(time.monotonic() - began, 4),
            seconds_modelled=round((self.now() - sent_modelled).total_seconds(), 4),
            version="",
            right=None,
            error=error,
        )
        if status is None:
            return request
        if status != HTTPStatus.OK:
            return replace(request, error=text.strip()[:LONGEST_ERROR])
        return self._compared(request, text, row)

    def _compared(self, request: Request, text: str, row: int) -> Request:
        """Return a request with the version that answered, and whether its prediction is right."""
        try:
            answer = json.loads(text)
            version, data = str(answer.get("model_version", "")), answer["outputs"][0]["data"]
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            return replace(request, right=False, error=f"no prediction: {text.strip()[:LONGEST_ERROR]}")
        try:
            right = data == [self.predictions.of(request.region, version, row)]
        except (DrError, KeyError) as error:
            return replace(request, version=version, error=f"version {version} cannot be compared: {error}")
        return replace(request, version=version, right=right)
