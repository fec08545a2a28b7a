"""Connections to AWS by the names of its services' hosts, as clients without an endpoint URL open them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.behaviours.service_hosts import ServiceHost
from sandbox.aws.call import HOST_REGION, is_signed
from sandbox.aws.emulator import Emulator

ROLE_WITH_TOKEN = b"Action=AssumeRoleWith"
"""The operations of STS that a client calls without a signature. Without one, other services answer
MissingAuthenticationToken (IAM API reference, "Common Errors"), and S3 looks at the operation."""
PATHS = ("PATH_INFO", "RAW_URI", "REQUEST_URI")


def connect(emulator: Emulator, host: ServiceHost) -> ServiceConnection:
    """Connect to a host. Raises ConnectionCutError while its region is unreachable."""
    opened = ServiceConnection(emulator, host)
    opened.check()
    return opened


@dataclass(frozen=True)
class ServiceConnection:
    """A client's connection to a host of a service."""

    emulator: Emulator
    host: ServiceHost

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the answer to a request. Raises ConnectionCutError."""
        self.check()
        if self.host.service != "s3" and not is_signed(dict(environ)) and ROLE_WITH_TOKEN not in body:
            content = {"__type": "MissingAuthenticationToken", "message": "Missing Authentication Token"}
            return Answer.of_json(content, HTTPStatus.FORBIDDEN)
        # As with an endpoint URL: the request's signature names the service, and its path names the bucket.
        moved = {**environ, "HTTP_HOST": f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"}
        if self.host.bucket:
            moved |= {name: f"/{self.host.bucket}{environ[name]}" for name in PATHS}
        return self.emulator.answer({**moved, HOST_REGION: self.host.region}, body)

    def check(self) -> None:
        """Raise ConnectionCutError while the host's region is unreachable."""
        if self.emulator.faults.unreachable(self.host.region):
            raise ConnectionCutError(f"{self.host.service} in {self.host.region} cannot be reached")
