"""Substitute for Velero's server: backup locations, schedules, backups, restores and download requests of one cluster.

Sources: velero-io/velero, pkg/controller: backup_sync_controller.go, backup_storage_location_controller.go,
restore_controller.go, download_request_controller.go. Its clock is the sandbox's.

Simplified: it works where a backup location exists, whether or not its pods run. Backed up are objects of the core API
in namespaces, by the labels of `matchLabels`. The data of volumes is not moved, hooks do not run, and namespaces are
not in the archive. Each object is done at once, so phases between the first and the last are short. Expired backups
stay. A location's times are written when its phase changes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws import clock
from sandbox.aws.world import Clients
from sandbox.clusters import velero_archive
from sandbox.clusters.api import Api, RefusedError, Thing
from sandbox.clusters.velero_backups import LOCATION_LABEL, Backups
from sandbox.clusters.velero_objects import GROUP, LOCATIONS, Objects, duration, path, text_of
from sandbox.clusters.velero_restores import Restorer
from sandbox.clusters.velero_store import URL_SECONDS, contents_key, restore_key

SYNC = timedelta(minutes=1)
FINALIZER = "restores.velero.io/external-resources-finalizer"
CONFLICT, ABSENT = 409, 404


class Velero:
    """Velero of one cluster.

    Args:
        api: Client of the cluster's API server.
        client: Creates boto3 clients for the emulator.
        region: Region of the cluster.
        changed: Called after each change of its objects.
    """

    def __init__(self, api: Api, client: Clients, region: str, changed: Callable[[], None]) -> None:
        self._api, self._objects = api, Objects(api, client, region, changed)
        self._backups = Backups(self._objects)
        self._synced: dict[str, datetime] = {}

    def stop(self) -> None:
        """Stop watching."""
        self._objects.stop()

    def step(self) -> None:
        """Do what is due. Raises as `Api.call`."""
        if not self._objects.ready():
            return
        for location in self._objects.all(LOCATIONS):
            self._follow(location)
        self._backups.step()
        for restore in self._objects.new("restores"):
            self._restore(restore)
            self._objects.finish(restore)
        for restore in self._objects.all("restores"):
            self._let_go(restore)
        for request in self._objects.new("downloadrequests"):
            self._sign(request)
        for request in self._objects.all("downloadrequests"):
            end = (request.get("status") or {}).get("expiration")
            if end and datetime.fromisoformat(end) < clock.now():
                self._api.remove(path("downloadrequests", request))

    def _follow(self, location: Thing) -> None:
        """Validate a location, and create the backups that its bucket has and the cluster does not."""
        uid, now = location["metadata"]["uid"], clock.now()
        if uid in self._synced and now - self._synced[uid] < duration(location["spec"].get("backupSyncPeriod"), SYNC):
            return
        self._synced[uid] = now
        store, known = (
            self._objects.store(location),
            {each["metadata"]["name"] for each in self._objects.all("backups")},
        )
        try:
            names = set(store.backups())
            found = {name: store.metadata(name) for name in names - known}
        except (ClientError, BotoCoreError, ValueError) as error:
            self._say_phase(location, "Unavailable", str(error))
            return
        self._say_phase(location, "Available", "")
        for name, backup in found.items():
            self._import(location, name, backup)
        for each in self._objects.all("backups"):
            about, phase = each["metadata"], (each.get("status") or {}).get("phase")
            here = about.get("labels", {}).get(LOCATION_LABEL) == location["metadata"]["name"]
            if here and phase == "Completed" and about["name"] not in names:
                self._api.remove(path("backups", each))

    def _say_phase(self, location: Thing, phase: str, message: str) -> None:
        status = location.get("status") or {}
        if (status.get("phase"), status.get("message", "")) != (phase, message):
            now = text_of(clock.now())
            said = {"phase": phase, "message": message, "lastValidationTime": now, "lastSyncedTime": now}
            self._objects.say(LOCATIONS, location, said)

    def _import(self, location: Thing, name: str, backup: Thing) -> None:
        place = location["metadata"]
        labels = {**backup["metadata"].get("labels", {}), LOCATION_LABEL: place["name"]}
        content = {
            **{"apiVersion": "velero.io/v1", "kind": "Backup", "status": backup["status"]},
            "metadata": {"name": name, "namespace": place["namespace"], "labels": labels},
            "spec": {**backup["spec"], "storageLocation": place["name"]},
        }
        try:
            self._api.call("POST", f"{GROUP}/namespaces/{place['namespace']}/backups", content)
        except RefusedError as error:
            if error.status != CONFLICT:
                raise

    def _location_of(self, backup: str) -> Thing | None:
        """Return the location of a backup; None if one of both does not exist."""
        found = self._objects.find("backups", backup)
        return self._objects.find(LOCATIONS, found["spec"].get("storageLocation", "default")) if found else None

    def _restore(self, restore: Thing) -> None:
        objects, name, backup = self._objects, restore["metadata"]["name"], restore["spec"].get("backupName", "")
        location = self._location_of(backup)
        if location is None:
            reason = f'Error retrieving backup: backups.velero.io "{backup}" not found'
            objects.say("restores", restore, {"phase": "FailedValidation", "validationErrors": [reason]})
            return
        self._api.patch(path("restores", restore), {"metadata": {"finalizers": [FINALIZER]}})
        objects.say("restores", restore, {"phase": "InProgress", "startTimestamp": text_of(clock.now())})
        store, status = objects.store(location), dict[str, object]()
        try:
            results = Restorer(self._api, restore).run(velero_archive.unpack(store.get(contents_key(backup))))
            # Files of a restore are written to a read-only location, too.
            store.put(restore_key(name, "logs"), velero_archive.compressed("restore completed"))
            store.put(restore_key(name, "results"), velero_archive.compressed(results.content))
            status = {"errors": len(results.errors), "warnings": len(results.warnings)}
            status["phase"] = "PartiallyFailed" if results.errors else "Completed"
        except (ClientError, BotoCoreError, OSError, EOFError, ValueError, tarfile.TarError) as error:
            status = {"phase": "Failed", "failureReason": f"error downloading backup: {error}"}
        objects.say("restores", restore, {**status, "completionTimestamp": text_of(clock.now())})

    def _let_go(self, restore: Thing) -> None:
        """Delete the files of a restore that is being deleted."""
        about = restore["metadata"]
        if "deletionTimestamp" not in about or FINALIZER not in about.get("finalizers", ()):
            return
        for location in self._objects.all(LOCATIONS):
            self._objects.store(location).delete(f"restores/{about['name']}")
        try:
            self._api.patch(path("restores", restore), {"metadata": {"finalizers": None}})
        except RefusedError as error:
            if error.status != ABSENT:
                raise

    def _sign(self, request: Thing) -> None:
        target = request["spec"]["target"]
        keys = {"BackupContents": contents_key(target["name"])}
        location = self._location_of(target["name"])
        if location is None or target["kind"] not in keys:
            return  # Velero tries again
        url, end = (
            self._objects.store(location).signed(keys[target["kind"]]),
            clock.now() + timedelta(seconds=URL_SECONDS),
        )
        status = {"phase": "Processed", "downloadURL": url, "expiration": text_of(end)}
        self._objects.say("downloadrequests", request, status)
        self._objects.finish(request)
