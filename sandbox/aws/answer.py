"""Answers of the emulated AWS, and its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from moto.core.exceptions import ServiceException


class AwsError(ServiceException):
    """An error as AWS answers it.

    Args:
        code: The error code.
        message: The message.
        status: The HTTP status; without it, the one that the service's model gives the code, else 400.
        headers: Further headers of the answer.
    """

    def __init__(
        self, code: str, message: str, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.headers = dict(headers or {})


class ConnectionCutError(ConnectionError):
    """The request gets no answer: its connection is reset, as by a region that is lost."""


@dataclass
class Answer:
    """A complete HTTP response."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, content: Any, status: int = 200) -> Answer:
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    @classmethod
    def of_text(cls, content: str, status: int = 200) -> Answer:
        return cls(status, content.encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)


class Connection(Protocol):
    """A client's connection to one host behind the proxy."""

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the answer to a request. Raises ConnectionCutError."""
