"""Velero in a cluster: its backups, what they hold, and restores of them.

Velero alone reads its bucket. So the contents of a backup are asked of it: it signs a URL that is valid for ten minutes
(velero-io/velero, pkg/controller/download_request_controller.go). Its definitions have no subresource for the status.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dr.clients import Missing
from dr.clusters.api_client import ClusterApi, proxy
from dr.errors import Failed, Problem
from dr.names import VELERO
from dr.topology import writers

POLL_SECONDS, REPORT_SECONDS, READ_SECONDS = 0.5, 15.0, 60.0
SPACE = f"/apis/velero.io/v1/namespaces/{VELERO}"
BACKUPS, RESTORES, DOWNLOADS = (f"{SPACE}/{kind}" for kind in ("backups", "restores", "downloadrequests"))
COMPLETED = "Completed"
ENDED = frozenset({COMPLETED, "PartiallyFailed", "Failed", "FailedValidation"})
"""Phases in which a restore has ended (velero.io, "Restore API Type")."""
SCHEDULED = f"velero.io/schedule-name={writers.BACKUP_SCHEDULE}"
"""Selector of the backups of the daily schedule."""


@dataclass(frozen=True)
class Backup:
    """A backup.

    Args:
        name: Its name.
        phase: "Completed" if it can be restored.
        started: When it started, by the clock of its Velero; None before.
        namespaces: Its namespaces.
        resources: Its resource types in the plural.
        selector: Label selector of its objects; "" for all.
    """

    name: str
    phase: str
    started: datetime | None
    namespaces: tuple[str, ...]
    resources: tuple[str, ...]
    selector: str


@dataclass(frozen=True)
class Restore:
    """A restore.

    Args:
        name: Its name.
        phase: One of `ENDED` at its end.
        reasons: Why it failed, or was refused; "" for none.
    """

    name: str
    phase: str
    reasons: str = ""


def backups(api: ClusterApi) -> list[Backup]:
    """Return the backups of the daily schedule that the cluster knows.

    Raises:
        Missing: The cluster does not have Velero's definitions.
        DrError: As `ClusterApi.get`.
    """
    return [backup_of(each) for each in api.get(BACKUPS, labelSelector=SCHEDULED)["items"]]


def backup_of(found: Mapping[str, Any]) -> Backup:
    """Return a backup from its object. Pure."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    started = status.get("startTimestamp")
    labels = (spec.get("labelSelector") or {}).get("matchLabels") or {}
    return Backup(
        found["metadata"]["name"],
        status.get("phase", "New"),
        datetime.fromisoformat(started) if started else None,
        tuple(spec.get("includedNamespaces") or ()),
        tuple(spec.get("includedResources") or ()),
        ",".join(f"{key}={value}" for key, value in labels.items()),
    )


def newest(found: Iterable[Backup]) -> Backup | None:
    """Return the newest completed backup; None without one. Pure."""
    completed = [(each.started, each) for each in found if each.phase == COMPLETED and each.started]
    return max(completed, key=lambda pair: pair[0], default=(None, None))[1]


def location_state(api: ClusterApi) -> str:
    """Return the state of the backup location as text. Raises as `ClusterApi.get`."""
    status = api.get(writers.LOCATION.path).get("status") or {}
    phase, message = status.get("phase", "not validated yet"), status.get("message", "")
    return f"its backup location is {phase}" + (f": {message}" if message else "")


def contents(api: ClusterApi, backup: str, name: str, labels: Mapping[str, str], patience: timedelta) -> bytes:
    """Return the archive of a backup.

    Args:
        api: Client of the cluster.
        backup: Name of the backup.
        name: Name of the request, which is deleted at the end.
        labels: Labels of the request.
        patience: Time limit for the signed URL.

    Raises:
        Failed: Velero does not sign a URL in time, or the archive cannot be read.
        DrError: As `ClusterApi.get`.
    """
    target = {"target": {"kind": "BackupContents", "name": backup}}
    api.create(DOWNLOADS, _object("DownloadRequest", name, labels, target))
    path, deadline = f"{DOWNLOADS}/{name}", time.monotonic() + patience.total_seconds()
    try:
        while not (url := (api.get(path).get("status") or {}).get("downloadURL")):
            if time.monotonic() > deadline:
                fact = f"Velero signed no URL within {patience.total_seconds():.0f} s"
                raise Failed(Problem(f"backup {backup}", fact, f"`kubectl -n {VELERO} logs deploy/velero` shows why"))
            time.sleep(POLL_SECONDS)
        return _read(f"backup {backup}", url)
    finally:
        with suppress(Missing):
            api.delete(path)


def _read(subject: str, url: str) -> bytes:
    import urllib3

    through = proxy(url)
    pool: Any = urllib3.ProxyManager(through) if through else urllib3.PoolManager()
    remedy = "check that this machine reaches S3 of the cluster's region, and Velero's role"
    try:
        answer = pool.request("GET", url, timeout=READ_SECONDS)
    except urllib3.exceptions.HTTPError as error:
        raise Failed(Problem(subject, f"its archive cannot be read: {error}", remedy)) from error
    if answer.status != 200:
        text = " ".join(answer.data.decode(errors="replace").split())[:200]
        raise Failed(Problem(subject, f"its archive cannot be read: {answer.status} {text}", remedy))
    return bytes(answer.data)


def start_restore(
    api: ClusterApi, name: str, backup: Backup, mapping: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    """Start a restore of a backup into other namespaces, without the content of volumes. Raises as `ClusterApi.create`.

    With `restorePVs: false`, a claim is restored without its volume (pkg/restore/actions/csi/pvc_action.go).

    Args:
        api: Client of the cluster.
        name: Name of the restore.
        backup: The backup.
        mapping: Namespace to restore to, by the one that was backed up.
        labels: Labels of the restore.
    """
    spec = {
        "backupName": backup.name,
        "includedNamespaces": list(mapping),
        "includedResources": list(backup.resources),
        "namespaceMapping": dict(mapping),
        "includeClusterResources": False,
        "restorePVs": False,
    }
    api.create(RESTORES, _object("Restore", name, labels, spec))


def restore_of(found: Mapping[str, Any]) -> Restore:
    """Return a restore from its object. Pure."""
    status = found.get("status") or {}
    reasons = [*status.get("validationErrors", ()), *filter(None, [status.get("failureReason")])]
    if errors := status.get("errors"):
        reasons.append(f"{errors} errors")
    return Restore(found["metadata"]["name"], status.get("phase") or "New", "; ".join(map(str, reasons)))


def wait(api: ClusterApi, name: str, say: Callable[[str], None], patience: timedelta) -> Restore:
    """Wait for the end of a restore, and return it.

    Args:
        api: Client of the cluster.
        name: Name of the restore.
        say: Shows a line of progress.
        patience: Time limit.

    Raises:
        Failed: It has not ended in time.
        DrError: As `ClusterApi.get`.
    """
    began = said = time.monotonic()
    while (found := restore_of(api.get(f"{RESTORES}/{name}"))).phase not in ENDED:
        now = time.monotonic()
        if now - began > patience.total_seconds():
            fact = f"{found.phase} after {patience.total_seconds():.0f} s"
            raise Failed(Problem(f"restore {name}", fact, f"`kubectl -n {VELERO} logs deploy/velero` shows why"))
        if now - said > REPORT_SECONDS:
            said = now
            say(f"restore {name}: {found.phase} for {now - began:.0f} s")
        time.sleep(POLL_SECONDS)
    return found


def remove(api: ClusterApi, selector: str, say: Callable[[str], None], patience: timedelta) -> list[str]:
    """Delete restores and requests, and return the names of the restores. What was restored is not deleted.

    A restore that runs cannot be stopped: it would go on to create objects. So its end is waited for.

    Args:
        api: Client of the cluster.
        selector: Label selector.
        say: Shows a line of progress.
        patience: Time limit for a restore that runs.

    Raises:
        Failed: A restore has not ended in time.
        DrError: As `ClusterApi.get`.
    """
    try:
        found: Sequence[Restore] = [restore_of(each) for each in api.get(RESTORES, labelSelector=selector)["items"]]
    except Missing:
        return []
    for each in found:
        if each.phase not in ENDED and each.phase != "New":
            with suppress(Missing):
                wait(api, each.name, say, patience)
        with suppress(Missing):
            api.delete(f"{RESTORES}/{each.name}")
    api.delete(DOWNLOADS, labelSelector=selector)
    return [each.name for each in found]


def _object(kind: str, name: str, labels: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": VELERO, "labels": dict(labels)}
    return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": dict(spec)}
