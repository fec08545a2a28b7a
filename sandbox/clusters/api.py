"""Kubernetes' API as plain JSON, and a watched copy of one kind of thing.

The Python client's own informer makes an object of every field, and asks again without a pause while an API server is
away; a lost region's is away for long.
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
AGAIN_SECONDS = 0.5
"""Between attempts to reach an API server that does not answer."""
WATCH_SECONDS = 300
"""Of one watch, after which the next is asked for."""
ANSWER_SECONDS = 10.0
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Calls one API server.

    Args:
        client: A client that is allowed to.
    """

    def __init__(self, client: ApiClient) -> None:
        self._host = client.configuration.host
        self._pool: Any = client.rest_client.pool_manager
        token = client.configuration.api_key.get("BearerToken")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._kinds: dict[str, dict[str, Thing]] = {}

    @classmethod
    def of_kubeconfig(cls, text: str) -> Api:
        """The API server that a kubeconfig's current context leads to, asked as its user. For a short while: a token is
        not renewed."""
        import yaml
        from kubernetes.config import new_client_from_config_dict

        return cls(new_client_from_config_dict(yaml.safe_load(text)))  # type: ignore[no-untyped-call]

    def call(self, method: str, path: str, content: Thing | None = None, kind: str = "application/json") -> Thing:
        """Call it and return its JSON.

        Raises:
            RefusedError: it said no.
            urllib3.exceptions.HTTPError: it does not answer.
        """
        body = None if content is None else json.dumps(content)
        headers = {"Content-Type": kind, **self._headers}
        answer = self._pool.request(
            method, self._host + path, body=body, headers=headers, timeout=ANSWER_SECONDS, retries=False
        )
        said: Thing = json.loads(answer.data)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(answer.status, f"{method} {path}: {said.get('message', answer.status)}")
        return said

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str | None:
        """Where an object is, or all of a kind are; None where the kind is not served. Raises as `call`."""
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
        """An object, or None. Raises as `call`."""
        path = self.path(api_version, kind, namespace, name)
        try:
            return self.call("GET", path) if path else None
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def patch(self, path: str, content: Thing, kind: str = MERGE) -> Thing:
        """Change a thing. Raises as `call`."""
        return self.call("PATCH", path, content, kind)

    def remove(self, path: str) -> None:
        """Delete a thing, if it is there. Raises as `call`."""
        try:
            self.call("DELETE", path)
        except RefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def watch(self, path: str, version: str) -> Iterator[Thing]:
        """Changes of a list since a version of it. Raises as `call`."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": WATCH_SECONDS}
        answer = self._pool.request(
            "GET",
            f"{self._host}{path}?{urlencode(query)}",
            preload_content=False,
            retries=False,
            # The API server ends it; one that dies without a word is noticed a little later.
            timeout=WATCH_SECONDS + ANSWER_SECONDS,
        )
        try:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise RefusedError(answer.status, path)
            rest = b""
            # As it comes: `stream` would wait for a chunk to be full.
            while chunk := answer.read1():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(json.loads, filter(None, lines))
        finally:
            answer.close()


class Watched:
    """What an API server has of one kind, kept up to date by a thread.

    Args:
        api: The API server.
        path: Of the list: "/api/v1/nodes".
        changed: Called after every change, by that thread.
    """

    def __init__(self, api: Api, path: str, changed: Callable[[], None]) -> None:
        self._api, self._path, self._changed = api, path, changed
        self._things: dict[str, Thing] = {}
        self._ended = threading.Event()
        self.synced = threading.Event()
        """Set once it has been read for the first time."""
        self._thread = threading.Thread(target=self._follow, name=f"watch {path}", daemon=True)
        self._thread.start()

    def all(self) -> list[Thing]:
        """Everything, as it is now."""
        return list(self._things.values())

    def stop(self) -> None:
        """Follow it no more. Its thread ends with the API server, or with the next change."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                version = self._read()
                self._changed()
                self._listen(version)
            except RefusedError as error:
                # Gone: the version is too old, and everything is read anew. Not found: the kind is not there yet, and
                # too many: it is about to be.
                if error.status not in (HTTPStatus.GONE, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):
                    sys.stderr.write(f"watch {self._path}: {error}\n")
                self._ended.wait(AGAIN_SECONDS)
            except Exception:  # noqa: BLE001 - urllib3's, ssl's and http.client's, of a server that went away
                self._ended.wait(AGAIN_SECONDS)

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
