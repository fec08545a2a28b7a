"""The API server as the stand-in sees it: authenticated requests, errors in words, and what kinds it serves.

`kubernetes.client` does TLS and HTTP; its models are not used, since any kind has to pass.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sandbox.kubernetes.settings import Access
from sandbox.plugin import SandboxError

TIMEOUT_SECONDS = (3.0, 30.0)
"""To connect, and to answer: on this machine a server that is alive does both at once."""
PROBE_SECONDS = (2.0, 5.0)
RENEW_BEFORE = timedelta(minutes=1)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Object = dict[str, Any]


class Unreachable(SandboxError):
    """The API server did not answer."""


class Refused(SandboxError):
    """The API server answered with an error.

    Args:
        status: Its `Status` object.
        code: The HTTP status.
    """

    def __init__(self, status: Mapping[str, Any], code: int) -> None:
        self.code, self.reason = code, str(status.get("reason", ""))
        self.causes: list[dict[str, str]] = (status.get("details") or {}).get("causes") or []
        super().__init__(str(status.get("message") or f"HTTP {code}"))


@dataclass(frozen=True)
class Served:
    """A kind that the API server serves."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """Where an object is, or all of them are."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        inside = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Cluster:
    """One API server.

    Args:
        access: Where it is, and who asks.

    Raises:
        SandboxError: it is not on this machine.
    """

    def __init__(self, access: Access) -> None:
        from kubernetes import client

        self.server = str(access.cluster.get("server", "")).rstrip("/")
        if urlsplit(self.server).hostname not in LOOPBACK:
            where = f"the kubeconfig's server is {self.server or 'not given'}"
            raise SandboxError(f"this stand-in only talks to the sandbox: {where}, which is not on this machine")
        configuration = client.Configuration(host=self.server)
        if authority := access.cluster.get("certificate-authority-data"):
            configuration.ca_cert_data = base64.b64decode(authority).decode()
        configuration.ssl_ca_cert = access.cluster.get("certificate-authority")
        configuration.cert_file, configuration.key_file = (
            access.user.get(name) for name in ("client-certificate", "client-key")
        )
        configuration.connection_pool_maxsize = 64
        configuration.proxy = None
        # What did not arrive is said at once; the next `up` tries again.
        configuration.retries = False
        self._http = client.ApiClient(configuration).rest_client
        self._token = _Token(access)
        self._lock = threading.Lock()
        self._served: dict[str, dict[str, Served]] = {}

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        timeout: tuple[float, float] = TIMEOUT_SECONDS,
        **query: str,
    ) -> Any:
        """Ask the API server.

        Raises:
            Unreachable: it does not answer, or nobody vouches for the caller.
            Refused: it answers with an error.
        """
        import urllib3

        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._token.header()}
        try:
            answer = self._http.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"the cluster cannot be reached ({self.server}): {_words(error)}") from error
        try:
            content = json.loads(answer.data)
        except ValueError:
            content = {"message": answer.data.decode(errors="replace").strip()}
        if answer.status >= 400:
            raise Refused(content, answer.status)
        return content

    def probe(self) -> None:
        """Ask whether it is there and lets the caller in. Raises Unreachable."""
        try:
            self.request("GET", "/api", timeout=PROBE_SECONDS)
        except Refused as error:
            raise Unreachable(f"the cluster lets nobody in ({self.server}): {error}") from error

    def served(self, api_version: str, kind: str) -> Served | None:
        """How a kind is served; None if it is not. Asked anew while it is not, since a CRD may have come."""
        with self._lock:
            found = self._served.get(api_version, {}).get(kind)
            return found or self._discover(api_version).get(kind)

    def _discover(self, api_version: str) -> dict[str, Served]:
        try:
            listed = self.request("GET", Served(api_version, "", False).path().rstrip("/"))["resources"]
        except Refused as error:
            if error.code != 404:
                raise
            listed = []
        found = {
            each["kind"]: Served(api_version, each["name"], each["namespaced"])
            for each in listed
            if "/" not in each["name"]
        }
        self._served[api_version] = found
        return found

    def get(self, kind: Served, namespace: str, name: str) -> Object | None:
        """An object, or None."""
        try:
            return dict(self.request("GET", kind.path(namespace, name)))
        except Refused as error:
            if error.code == 404:
                return None
            raise

    def listed(self, api_version: str, kind: str, namespace: str = "", **query: str) -> list[Object]:
        """All objects of a kind, in a namespace or everywhere; none where the kind is not served."""
        served = self.served(api_version, kind)
        return list(self.request("GET", served.path(namespace), **query)["items"]) if served else []

    def apply(self, kind: Served, body: Object, manager: str, *, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply: the server merges what this manager wants with what others want."""
        meta = body["metadata"]
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        path = kind.path(meta.get("namespace", ""), meta["name"])
        return dict(self.request("PATCH", path, body, "application/apply-patch+yaml", **query))


class _Token:
    """The bearer token of a user: as given, or from a command, asked again shortly before it expires."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._token = str(access.user.get("token") or "")
        self._expires: datetime | None = None

    def header(self) -> dict[str, str]:
        """The header that says who asks."""
        with self._lock:
            stale = self._expires is not None and datetime.now(UTC) > self._expires - RENEW_BEFORE
            if "exec" in self._access.user and (not self._token or stale):
                self._renew(self._access.user["exec"])
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _renew(self, command: Mapping[str, Any]) -> None:
        from kubernetes.config import ConfigException
        from kubernetes.config.dateutil import parse_rfc3339
        from kubernetes.config.exec_provider import ExecProvider
        from kubernetes.config.kube_config import ConfigNode

        shown = " ".join([str(command.get("command")), *map(str, command.get("args") or ())])
        try:
            status = ExecProvider(ConfigNode("exec", dict(command)), None).run()
        except (ConfigException, OSError) as error:
            raise Unreachable(f"the kubeconfig's command `{shown}` gave no token: {error}") from error
        if "token" not in status:
            raise Unreachable(f"the kubeconfig's command `{shown}` gave no token, but {', '.join(status)}")
        self._token = status["token"]
        expires = status.get("expirationTimestamp")
        self._expires = parse_rfc3339(expires) if expires else None


def _words(error: Exception) -> str:
    """The innermost reason, without the addresses of objects in memory that urllib3 prints."""
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2] or type(reason).__name__
