"""boto3 clients of the stand-in, for the sandbox's endpoint on this machine only."""

from __future__ import annotations

import ipaddress
import os
import threading
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from sandbox.aws_plugin.plugin import SandboxError

GLOBAL_REGION = "us-east-1"
"""The region of calls to IAM and Route 53, in every stack."""

# A lost region is reported within seconds; three errors in a row are retried.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=32,
    s3={"addressing_style": "path"},
)


class Unreachable(SandboxError):
    """A region did not answer."""


class Refused(SandboxError):
    """AWS returned an error."""

    def __init__(self, code: str, message: str, operation: str, region: str) -> None:
        super().__init__(f"{operation} in {region}: {code}: {message}")
        self.code = code
        self.message = message


def sandbox_endpoint() -> str:
    """The sandbox's endpoint.

    Raises:
        SandboxError: It is not set, or not on this machine.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not endpoint:
        raise SandboxError("this stand-in only talks to the sandbox: AWS_ENDPOINT_URL is not set; `make shell` sets it")
    host = urlsplit(endpoint).hostname or ""
    if host != "localhost" and not _is_loopback(host):
        raise SandboxError(
            f"this stand-in only talks to the sandbox: AWS_ENDPOINT_URL is {endpoint}, which is not on this machine; "
            "`make shell` sets it"
        )
    return endpoint


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Connections:
    """Clients by service and region. Each is created once, which takes tens of milliseconds."""

    def __init__(self, region: str, default_tags: dict[str, str] | None = None) -> None:
        self.region = region
        self.default_tags = default_tags or {}
        self.endpoint = sandbox_endpoint()
        self.zone_names: dict[str, str] = {}
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        # Public and fake. boto3 never looks for a person's credentials where these are passed.
        self._session = boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox")

    def client(self, service: str, region: str) -> Any:
        """The boto3 client of a service in a region."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._session.client(
                    service, region_name=region, endpoint_url=self.endpoint, config=CONFIG
                )
            return self._clients[service, region]

    def send(self, service: str, region: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call AWS.

        Raises:
            Refused: AWS returned an error; it holds AWS's code.
            Unreachable: The endpoint did not answer.
        """
        client = self.client(service, region)
        name = f"{service}:{client.meta.method_to_api_mapping[operation]}"
        try:
            return dict(getattr(client, operation)(**arguments))
        except ClientError as error:
            answer = error.response.get("Error", {})
            raise Refused(answer.get("Code", "?"), answer.get("Message", str(error)), name, region) from error
        except ParamValidationError as error:
            raise Refused("InvalidParameter", str(error), name, region) from error
        except BotoCoreError as error:
            where = f"{region} cannot be reached (AWS_ENDPOINT_URL {self.endpoint})"
            raise Unreachable(f"{where}: {name}: {error}") from error
