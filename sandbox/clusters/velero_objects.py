"""Velero's objects in a cluster, and how their states are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sandbox.aws.world import Clients
from sandbox.clusters.api import Api, Thing, Watched
from sandbox.clusters.velero_store import Store

GROUP = "/apis/velero.io/v1"
LOCATIONS = "backupstoragelocations"
KINDS = ("backups", "restores", "schedules", "downloadrequests")
NEW = ("", "New")
UNITS = {"h": 3600, "m": 60, "s": 1}


class Objects:
    """Velero's objects of one cluster, watched once it has a backup location.

    Args:
        api: Client of the cluster's API server.
        client: Creates boto3 clients for the emulator.
        region: Region of the cluster.
        changed: Called after each change.
    """

    def __init__(self, api: Api, client: Clients, region: str, changed: Callable[[], None]) -> None:
        self.api, self._client, self._region, self._changed = api, client, region, changed
        self._watched = {LOCATIONS: Watched(api, f"{GROUP}/{LOCATIONS}", changed)}
        self._done: set[str] = set()

    def stop(self) -> None:
        """Stop watching."""
        for each in self._watched.values():
            each.stop()

    def ready(self) -> bool:
        """Return whether there is a backup location, and all objects are known."""
        if not self._watched[LOCATIONS].all():
            return False
        for kind in KINDS:
            if kind not in self._watched:
                self._watched[kind] = Watched(self.api, f"{GROUP}/{kind}", self._changed)
        return all(each.synced.is_set() for each in self._watched.values())

    def all(self, kind: str) -> list[Thing]:
        """Return the objects of a kind."""
        return self._watched[kind].all()

    def find(self, kind: str, name: str) -> Thing | None:
        """Return an object; None if it does not exist."""
        return next((each for each in self.all(kind) if each["metadata"]["name"] == name), None)

    def new(self, kind: str) -> Iterator[Thing]:
        """Yield the new objects that are not finished: the watched copies may be older than the last step."""
        for each in self.all(kind):
            about = each["metadata"]
            fresh = (each.get("status") or {}).get("phase", "") in NEW and "deletionTimestamp" not in about
            if fresh and about["uid"] not in self._done:
                yield each

    def finish(self, thing: Thing) -> None:
        """Let `new` not yield an object any more."""
        self._done.add(thing["metadata"]["uid"])

    def say(self, kind: str, thing: Thing, status: Thing) -> None:
        """Write the state of an object. Raises as `Api.call`."""
        subresource = "/status" if kind == LOCATIONS else ""
        self.api.patch(path(kind, thing) + subresource, {"status": status})

    def store(self, location: Thing) -> Store:
        """Return the bucket of a location."""
        return Store(self._client, location, self._region)


def path(kind: str, thing: Thing) -> str:
    """Return the path of an object."""
    about = thing["metadata"]
    return f"{GROUP}/namespaces/{about['namespace']}/{kind}/{about['name']}"


def text_of(at: datetime) -> str:
    """Return a time as Kubernetes writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(text: str | None, default: timedelta) -> timedelta:
    """Return a duration that Go wrote: "720h0m0s"."""
    parts = re.findall(r"(\d+)([hms])", text or "")
    return timedelta(seconds=sum(int(number) * UNITS[unit] for number, unit in parts)) if parts else default
