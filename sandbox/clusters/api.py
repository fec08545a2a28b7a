"""JSON client of the Kubernetes API, and a watched copy of all objects of one kind.

The informer of the Kubernetes Python client is not used: it converts every field to an object, and retries without a
pause while an API server does not answer, as in an unreachable region.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Thing = dict[str, Any]
RETRY_SECONDS = 0.5
"""Delay in seconds between attempts to reach an API server that does not answer."""
WATCH_SECONDS = 60
"""Duration of a watch in seconds; then the list is read again, so that a stream that stalls delays a pod by at most as
long."""
ANSWER_SECONDS = 10.0
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


class RefusedError(Exception):
    """The API server answered with an error.

    Args:
        status: HTTP status code.
        message: Request and reason.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Client of one API server.

    Args:
        client: Kubernetes client with credentials.
    """

    def __init__(self, client: ApiClient) -> None:
        self._host = client.configuration.host
        self._pool: Any = client.rest_client.pool_manager
        # The client of some versions of the library has the token with its scheme.
        token = client.configuration.api_key.get("BearerToken", "").removeprefix("Bearer ")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._kinds: dict[str, dict[str, Thing]] = {}

    @classmethod
    def of_kubeconfig(cls, text: str) -> Api:
        """Return a client for the API server and user of a kubeconfig's current context. Its token is not renewed."""
        import yaml
        from kubernetes.config import new_client_from_config_dict

        return cls(new_client_from_config_dict(yaml.safe_load(text)))

    def call(self, method: str, path: str, content: Thing | None = None, kind: str = "application/json") -> Thing:
        """Send a request and return the JSON of the response.

        Args:
            method: HTTP method.
            path: Path, with the query.
            content: Body of the request; None for no body.
            kind: Content-Type of the body.

        Raises:
            RefusedError: The API server answers with an error.
            urllib3.exceptions.HTTPError: The API server does not answer.
        """
        body = None if content is None else json.dumps(content)
        headers = {"Content-Type": kind, **self._headers}
        answer = self._pool.request(
            method, self._host + path, body=body, headers=headers, timeout=ANSWER_SECONDS, retries=False
        )
        content_read: Thing = json.loads(answer.data)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(answer.status, f"{method} {path}: {content_read.get('message', answer.status)}")
        return content_read

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str | None:
        """Return the path of an object, or of a kind's list; None if the kind is not served. Raises as `call`."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if kind not in self._kinds.get(api_version, {}):
            try:
                listed = self.call("GET", root)["resources"]
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                listed = []
            self._kinds[api_version] = {each["kind"]: each for each in listed if "/" not in each["name"]}
        served = self._kinds[api_version].get(kind)
        if served is None:
            return None
        inside = f"/namespaces/{namespace}" if served["namespaced"] and namespace else ""
        return f"{root}{inside}/{served['name']}" + (f"/{name}" if name else "")

    def find(self, api_version: str, kind: str, namespace: str, name: str) -> Thing | None:
        """Read an object; None if it does not exist. Raises as `call`."""
        path = self.path(api_version, kind, namespace, name)
        try:
            return self.call("GET", path) if path else None
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def config_map(self, namespace: str, name: str) -> Thing:
        """Read a ConfigMap. Raises as `call`."""
        return self.call("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")

    def patch(self, path: str, content: Thing, kind: str = MERGE) -> Thing:
        """Patch an object. Raises as `call`."""
        return self.call("PATCH", path, content, kind)

    def remove(self, path: str) -> None:
        """Delete an object, if it exists. Raises as `call`."""
        try:
            self.call("DELETE", path)
        except RefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def watch(self, path: str, version: str) -> Iterator[Thing]:
        """Watch a list for changes after a resource version. Raises as `call`."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": WATCH_SECONDS}
        answer = self._pool.request(
            "GET",
            f"{self._host}{path}?{urlencode(query)}",
            preload_content=False,
            retries=False,
            # The API server ends the watch; the timeout only detects a server that did not close the connection.
            timeout=WATCH_SECONDS + ANSWER_SECONDS,
        )
        try:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise RefusedError(answer.status, path)
            rest = b""
            # read1 returns available data; `stream` would wait for a full chunk.
            while chunk := answer.read1():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, filter(None, lines))
        finally:
            answer.close()


class Watched:
    """All objects of one kind, kept up to date by a thread.

    Args:
        api: Client of the API server.
        path: Path of the list: "/api/v1/nodes".
        changed: Called by the thread after each change.
    """

    def __init__(self, api: Api, path: str, changed: Callable[[], None]) -> None:
        self._api, self._path, self._changed = api, path, changed
        self._things: dict[str, Thing] = {}
        self._ended = threading.Event()
        self.synced = threading.Event()
        """Set when the list has been read."""
        self._thread = threading.Thread(target=self._follow, name=f"watch {path}", daemon=True)
        self._thread.start()

    def all(self) -> list[Thing]:
        """Return the current objects."""
        return list(self._things.values())

    def stop(self) -> None:
        """Stop watching. The thread ends at the next change, or when the API server stops."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                version = self._read()
                self._changed()
                self._listen(version)
            except RefusedError as error:
                # 410: the resource version is too old, so the list is read again. 404: the kind does not exist yet.
                # 429: the kind is being created.
                if error.status not in (HTTPStatus.GONE, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):
                    sys.stderr.write(f"watch {self._path}: {error}\n")
                self._ended.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - urllib3, ssl and http.client errors of a stopped server
                self._ended.wait(RETRY_SECONDS)

    def _read(self) -> str:
        found = self._api.call("GET", self._path)
        self._things = {_key(item): item for item in found["items"]}
        self.synced.set()
        return str(found["metadata"]["resourceVersion"])

    def _listen(self, version: str) -> None:
        for change in self._api.watch(self._path, version):
            if self._ended.is_set():
                return
            thing = change["object"]
            if change["type"] == "ERROR":
                raise RefusedError(int(thing.get("code", 0)), str(thing.get("message")))
            if change["type"] == "DELETED":
                self._things.pop(_key(thing), None)
            else:
                self._things[_key(thing)] = thing
            self._changed()


def _key(thing: Thing) -> str:
    about = thing["metadata"]
    return f"{about.get('namespace', '')}/{about['name']}"
