"""The API of an EKS cluster over HTTPS: JSON in, JSON out, every request with a time limit.

Plain requests, not the Kubernetes client: importing that takes most of a second, and this runs in every preview. A
token is signed in this process, as `dr eks-token` signs it, so that an error of the credentials is an error here.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from dr.clients import Missing, Unreachable
from dr.clusters.eks_token import eks_token
from dr.errors import Failed, Problem

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
TOKEN_SECONDS = 600.0
"""A token is renewed before the 14 minutes are over for which it is good."""
REACH = (
    "check that this machine reaches it: an API without dr:apiCidrs is private, and answers only inside the cluster's "
    "VPC or over a VPN into it"
)

Json = dict[str, Any]


class Denied(Failed):
    """The API server refuses the credentials: it does not know them (401), or they lack a permission (403)."""


@dataclass(frozen=True)
class ClusterAddress:
    """Where a cluster's API is.

    Args:
        name: The cluster's name; tokens are signed for it.
        region: The cluster's region.
        endpoint: URL of the API: "https://...".
        ca_data: PEM of the certificate authority, in base64.
    """

    name: str
    region: str
    endpoint: str
    ca_data: str

    def __str__(self) -> str:
        return f"cluster {self.name} in {self.region}"


class ClusterApi:
    """Requests to one cluster's API server.

    Args:
        address: The cluster.
        connect_seconds: Time limit of a connection.
        read_seconds: Time limit of each wait for the answer.
    """

    def __init__(
        self, address: ClusterAddress, connect_seconds: float = CONNECT_SECONDS, read_seconds: float = READ_SECONDS
    ) -> None:
        self.address = address
        self.now = datetime.now(UTC)
        """The API server's own time, as of its last answer: ages of objects are measured with one clock."""
        self._limits = connect_seconds, read_seconds
        self._token, self._signed = "", 0.0
        self._lock = threading.Lock()
        self._opened: Any = None

    def get(self, path: str, **query: str) -> Json:
        """A resource, or a list of them.

        Raises:
            Missing: it does not exist.
            Denied: the credentials are refused.
            Unreachable: the API server does not answer.
            Failed: it answered with another error, or there are no credentials.
        """
        return dict(json.loads(self._ask("GET", f"{path}?{urlencode(query)}" if query else path)))

    def ready(self) -> None:
        """Ask whether the API server is ready; errors as of `get`."""
        self._ask("GET", "/readyz")

    def allows(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Whether the credentials may do something; errors as of `get`."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = json.loads(self._ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review))
        return bool(answer["status"]["allowed"])

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        import urllib3

        headers = {"Authorization": f"Bearer {self._bearer()}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        address, began = self.address, time.monotonic()
        try:
            answer = self._connections().request(
                method, f"{address.endpoint}{path}", headers=headers, body=json.dumps(body) if body else None
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            waited = time.monotonic() - began
            fact = f"the API server at {address.endpoint} does not answer: {_cause(error)} after {waited:.1f} s"
            raise Unreachable(Problem(str(address), fact, REACH)) from error
        if date := answer.headers.get("Date"):
            self.now = parsedate_to_datetime(date)
        text: str = answer.data.decode(errors="replace")
        if answer.status < HTTPStatus.BAD_REQUEST:
            return text
        raise self._refusal(answer.status, method, path, text)

    def _refusal(self, status: int, method: str, path: str, text: str) -> Failed:
        reason, message = _reason(status), _message(text)
        fact = f"{method} {path}: {status} {reason}" + (f": {message}" if message not in ("", reason) else "")
        if status == HTTPStatus.NOT_FOUND:
            return Missing(Problem(str(self.address), fact, "check the name and the namespace"))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            self._token = ""
            return Denied(Problem(str(self.address), fact, "use credentials that have an access entry of the cluster"))
        return Failed(Problem(str(self.address), fact, "see the API server's message; run the command again"))

    def _bearer(self) -> str:
        with self._lock:
            if not self._token or time.monotonic() - self._signed > TOKEN_SECONDS:
                self._token = str(eks_token(self.address.name, self.address.region)["status"]["token"])
                self._signed = time.monotonic()
            return self._token

    def _connections(self) -> Any:
        import urllib3

        if self._opened is None:
            connect, read = self._limits
            options: dict[str, Any] = {
                "ssl_context": _trust(self.address.ca_data),
                "timeout": urllib3.Timeout(connect=connect, read=read),
                "retries": False,
            }
            proxy = _proxy(self.address.endpoint)
            self._opened = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        return self._opened


def _trust(ca_data: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(ca_data).decode())
    # Python 3.13 demands extensions that the authorities of EKS do not have (kubernetes-client/python, issue 2394).
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def _proxy(endpoint: str) -> str:
    """The proxy of the environment, as kubectl and Pulumi's plugin use it; "" for a direct connection."""
    from urllib.request import getproxies, proxy_bypass

    return "" if proxy_bypass(urlsplit(endpoint).netloc) else getproxies().get("https", "")


def _cause(error: BaseException) -> str:
    """The innermost reason of a failed request, without the connection it names."""
    from urllib3.exceptions import NewConnectionError, TimeoutError

    reason = getattr(error, "reason", None)
    while isinstance(reason, BaseException):
        error, reason = reason, getattr(reason, "reason", None)
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return "timed out"
    return str(error.args[-1] if error.args else type(error).__name__).rpartition(": ")[2]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:300]
