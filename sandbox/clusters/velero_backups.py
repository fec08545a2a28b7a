"""Velero's schedules and backups (velero-io/velero, pkg/controller: schedule_controller.go, backup_controller.go)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws import clock
from sandbox.clusters import cron, velero_archive
from sandbox.clusters.api import RefusedError, Thing
from sandbox.clusters.velero_archive import FORMAT, NotEmulatedError
from sandbox.clusters.velero_objects import GROUP, LOCATIONS, Objects, duration, path, text_of
from sandbox.clusters.velero_store import contents_key, metadata_key

TTL = timedelta(hours=720)
LOCATION_LABEL, SCHEDULE_LABEL = "velero.io/storage-location", "velero.io/schedule-name"


class Backups:
    """Schedules and backups of one cluster.

    Args:
        objects: Velero's objects.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._since: dict[str, datetime] = {}

    def step(self) -> None:
        """Create the backups that are due, and make the new ones. Raises as `Api.call`."""
        for schedule in self._objects.all("schedules"):
            self._run_if_due(schedule)
        for backup in self._objects.new("backups"):
            self._make(backup)
            self._objects.finish(backup)

    def _run_if_due(self, schedule: Thing) -> None:
        """Create the backup of a schedule. What it missed while it was paused is made up for by one backup."""
        about, spec, status = schedule["metadata"], schedule["spec"], schedule.get("status") or {}
        now, last = clock.now(), status.get("lastBackup")
        # The API server has the machine's clock, so a new schedule counts from when it was first seen.
        since = self._since.setdefault(about["uid"], datetime.fromisoformat(last) if last else now)
        if spec.get("paused"):
            return
        try:
            is_due = cron.due(spec["schedule"], since, now)
        except ValueError as error:
            if status.get("phase") != "FailedValidation":
                reason = [f"invalid schedule: {error}"]
                self._objects.say("schedules", schedule, {"phase": "FailedValidation", "validationErrors": reason})
            return
        if is_due:
            self._since[about["uid"]] = now
            self._create(schedule, now)
            self._objects.say("schedules", schedule, {"phase": "Enabled", "lastBackup": text_of(now)})
        elif status.get("phase") != "Enabled":
            self._objects.say("schedules", schedule, {"phase": "Enabled"})

    def _create(self, schedule: Thing, now: datetime) -> None:
        about = schedule["metadata"]
        labels = {**about.get("labels", {}), SCHEDULE_LABEL: about["name"]}
        metadata = {"name": f"{about['name']}-{now:%Y%m%d%H%M%S}", "namespace": about["namespace"], "labels": labels}
        spec = schedule["spec"]["template"]
        backup = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec}
        self._objects.api.call("POST", f"{GROUP}/namespaces/{about['namespace']}/backups", backup)

    def _make(self, backup: Thing) -> None:
        """Back up the objects that a backup selects."""
        objects, name, now = self._objects, backup["metadata"]["name"], clock.now()
        location = objects.find(LOCATIONS, backup["spec"].get("storageLocation", "default"))
        problems = list(_refusals(backup, location))
        if problems or location is None:
            objects.say("backups", backup, {"phase": "FailedValidation", "validationErrors": problems})
            return
        labels = {**backup["metadata"].get("labels", {}), LOCATION_LABEL: location["metadata"]["name"]}
        backup = objects.api.patch(path("backups", backup), {"metadata": {"labels": labels}})
        end = text_of(now + duration(backup["spec"].get("ttl"), TTL))
        status: Thing = {
            "phase": "InProgress",
            "startTimestamp": text_of(now),
            "expiration": end,
            "formatVersion": FORMAT,
        }
        objects.say("backups", backup, status)
        store = objects.store(location)
        try:
            items = list(self._items(backup["spec"]))
            counts = {"totalItems": len(items), "itemsBackedUp": len(items)}
            status |= {"phase": "Completed", "completionTimestamp": text_of(clock.now()), "progress": counts}
            store.put(metadata_key(name), json.dumps({**backup, "status": status}).encode())
            store.put(contents_key(name), velero_archive.pack(items))
        except (ClientError, BotoCoreError, RefusedError, NotEmulatedError) as error:
            status |= {"phase": "Failed", "failureReason": str(error)}
        objects.say("backups", backup, status)

    def _items(self, spec: Thing) -> Iterator[tuple[str, Thing]]:
        """Yield the selected objects with their resource types."""
        selector, api = spec.get("labelSelector") or {}, self._objects.api
        if selector.get("matchExpressions") or spec.get("orLabelSelectors"):
            raise NotEmulatedError("the sandbox's Velero selects by matchLabels only")
        query = ",".join(f"{key}={value}" for key, value in selector.get("matchLabels", {}).items())
        kinds = {each["name"]: each["kind"] for each in api.call("GET", "/api/v1")["resources"]}
        for resource in spec.get("includedResources") or ():
            if resource not in kinds:
                raise NotEmulatedError(f"the sandbox's Velero does not back up {resource}")
            for space in spec.get("includedNamespaces") or ():
                found = api.call("GET", f"/api/v1/namespaces/{space}/{resource}?labelSelector={query}")
                for each in found["items"]:
                    yield resource, {"apiVersion": "v1", "kind": kinds[resource], **each}


def _refusals(backup: Thing, location: Thing | None) -> Iterator[str]:
    name = backup["spec"].get("storageLocation", "default")
    if location is None:
        yield (
            "a BackupStorageLocation CRD with the name specified in the backup spec needs to be created before this "
            f'backup can be executed. Error: backupstoragelocations.velero.io "{name}" not found'
        )
    elif location["spec"].get("accessMode") == "ReadOnly":
        yield f"backup can't be created because backup storage location {name} is currently in read-only mode"
    elif (location.get("status") or {}).get("phase") == "Unavailable":
        yield f"backup can't be created because BackupStorageLocation {name} is in Unavailable status."
