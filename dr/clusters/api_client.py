"""JSON client of the Kubernetes API of an EKS cluster; every request has a time limit.

The Kubernetes Python client is not used: importing it takes most of a second, and this module runs in every preview.
Tokens are signed in this process, as in `dr eks-token`, so that a credential error is raised here.
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
"""Age in seconds at which a token is renewed; it expires after 14 minutes."""
REACH = (
    "check that this machine reaches it: with dr:apiAccess public, its address has to be in dr:apiCidrs; with private, "
    "it has to be inside the cluster's VPC, or in a network connected to it"
)

FIELD_MANAGER = "dr"
Json = dict[str, Any]


class Denied(Failed):
    """The API server refused the credentials: they are not authenticated (401) or lack a permission (403)."""


@dataclass(frozen=True)
class ClusterAddress:
    """Address of a cluster's API server.

    Args:
        name: Name of the cluster; each token is valid for this name only.
        region: Region of the cluster.
        endpoint: URL of the API server: "https://...".
        ca_data: Base64-encoded PEM certificate of the certificate authority.
    """

    name: str
    region: str
    endpoint: str
    ca_data: str

    def __str__(self) -> str:
        return f"cluster {self.name} in {self.region}"


class ClusterApi:
    """Client of one cluster's API server.

    Args:
        address: Address of the API server.
        connect_seconds: Connection timeout in seconds.
        read_seconds: Read timeout in seconds.
    """

    def __init__(
        self, address: ClusterAddress, connect_seconds: float = CONNECT_SECONDS, read_seconds: float = READ_SECONDS
    ) -> None:
        self.address = address
        self.now = datetime.now(UTC)
        """Date header of the last response; ages of objects are computed with the API server's clock."""
        self._limits = connect_seconds, read_seconds
        self._token, self._signed = "", 0.0
        self._lock = threading.Lock()
        self._opened: Any = None

    def get(self, path: str, **query: str) -> Json:
        """Get a resource or a list of resources.

        Args:
            path: Path of the resource: "/api/v1/...".
            **query: Query parameters.

        Raises:
            Missing: The resource does not exist.
            Denied: The API server refused the credentials.
            Unreachable: The API server does not answer.
            Failed: The API server returned another error, or no credentials are configured.
        """
        return dict(json.loads(self._ask("GET", f"{path}?{urlencode(query)}" if query else path)))

    def merge(self, path: str, change: Mapping[str, Any]) -> Json:
        """Change some fields of a resource by a merge patch, with the field manager `dr`. Raises the errors of `get`.

        Args:
            path: Path of the resource, or of its subresource: ".../deployments/name/scale".
            change: The fields to set.
        """
        return dict(json.loads(self._ask("PATCH", f"{path}?fieldManager={FIELD_MANAGER}", change)))

    def change(self, path: str, change: Mapping[str, Any]) -> None:
        """Change some fields of an object that a deployment declares, too. Raises the errors of `get`.

        Afterwards `dr` does not own them: the next deployment that changes a field with another owner would be refused
        (Kubernetes documentation, "Server-Side Apply", "Conflicts" and "Clearing managedFields").

        Args:
            path: Path of the object.
            change: The fields to set.
        """
        owners = self.merge(path, change)["metadata"].get("managedFields", ())
        kept = [each for each in owners if each.get("manager") != FIELD_MANAGER]
        if len(kept) < len(owners):
            self.merge(path, {"metadata": {"managedFields": kept}})

    def create(self, path: str, content: Mapping[str, Any]) -> Json:
        """Create an object. Raises the errors of `get`; `Failed` also if the object exists or is refused.

        Args:
            path: Path of the list: "/api/v1/namespaces/dr-drill/pods".
            content: The object.
        """
        return dict(json.loads(self._ask("POST", f"{path}?fieldManager={FIELD_MANAGER}", content)))

    def delete(self, path: str, **query: str) -> None:
        """Delete an object, or all of a list that a label selector finds. Raises the errors of `get`.

        Args:
            path: Path of the object or of the list.
            **query: Query parameters: `labelSelector`.
        """
        self._ask("DELETE", f"{path}?{urlencode(query)}" if query else path)

    def ready(self) -> None:
        """Check that the API server is ready. Raises the errors of `get`."""
        self._ask("GET", "/readyz")

    def allows(self, verb: str, group: str, resource: str, namespace: str, subresource: str = "") -> bool:
        """Return whether the credentials have a permission (SelfSubjectAccessReview). Raises the errors of `get`.

        Args:
            verb: "get", "patch", ...
            group: API group; "" for the core group.
            resource: Resource type in the plural: "deployments".
            namespace: Namespace of the resource; "" for one without a namespace.
            subresource: Subresource: "scale"; "" for the resource itself.
        """
        attributes = {
            **{"verb": verb, "group": group, "resource": resource, "namespace": namespace},
            **({"subresource": subresource} if subresource else {}),
        }
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
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
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
            through = proxy(self.address.endpoint)
            self._opened = urllib3.ProxyManager(through, **options) if through else urllib3.PoolManager(**options)
        return self._opened


def _trust(ca_data: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(ca_data).decode())
    # Python 3.13 requires certificate extensions that EKS certificate authorities lack (kubernetes-client/python#2394).
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


def proxy(endpoint: str) -> str:
    """Return the HTTPS proxy of the environment, which kubectl and Pulumi's plugin use too; "" without a proxy."""
    from urllib.request import getproxies, proxy_bypass

    return "" if proxy_bypass(urlsplit(endpoint).netloc) else getproxies().get("https", "")


def _cause(error: BaseException) -> str:
    """Return the root cause of a failed request, without the prefix that names the connection."""
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
