"""The part of the drill of restores that restores the objects of a cluster.

AWS Backup's restore testing does not support EKS (developer guide, "Restore testing"), and Velero backs the objects up.
So the newest backup that reached the recovery region is restored there by its Velero, into namespaces of the drill, and
compared with the backup and with the cluster that it came from. No namespace that serves is written to. What the drill
creates has one label, by which `remove` finds it after a kill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product

from dr.clients import Missing, Unreachable
from dr.clusters import cluster_objects, velero
from dr.clusters.api_client import ClusterApi
from dr.clusters.cluster_objects import Key
from dr.clusters.velero import Backup
from dr.drills.backup_restore_result import ClassSeen
from dr.drills.catalog import BACKUPS
from dr.errors import Failed, Problem
from dr.names import DRILL, VELERO
from dr.operations.scene import Scene
from dr.topology.topology import Role
from dr.topology.writers import BACKUP_RPO, BACKUP_SCHEDULE

NAME = "cluster objects"
PATIENCE, REMOVAL_PATIENCE = timedelta(minutes=15), timedelta(minutes=2)
LABEL = {"ml-dr/drill": BACKUPS}
SELECTOR = f"ml-dr/drill={BACKUPS}"
SPACES = "/api/v1/namespaces"
SECURITY = {"pod-security.kubernetes.io/enforce": "restricted"}
IN_CLUSTER = (
    *((verb, "velero.io", kind, VELERO) for verb in ("create", "delete") for kind in ("restores", "downloadrequests")),
    *((verb, "", "namespaces", "") for verb in ("create", "delete")),
)
"""What it does in the cluster besides reading: verb, API group, resource, namespace ("" for all)."""


@dataclass
class ClusterRestore:
    """One restore of the objects of a cluster.

    Args:
        scene: The recovery region.
        found: What is seen, which the steps fill in.
        now: The time of AWS's clock.
        say: Shows a line of progress.
        patience: Time limit for Velero to sign a URL, and to restore.
    """

    scene: Scene
    found: ClassSeen
    now: datetime
    say: Callable[[str], None]
    patience: timedelta = PATIENCE
    started: bool = field(default=False, init=False)
    """Whether it has created something, so that `remove` is needed."""

    def execute(self) -> None:
        """Restore the newest backup, and compare it.

        Raises:
            DrError: Velero or the API server did not do what it was asked. Then the class is not measured.
        """
        if reason := self._unmeasurable():
            self.found.unknown = reason
            return
        if (backup := self._newest()) is None:
            return
        self._restore(backup)

    @property
    def _api(self) -> ClusterApi:
        return self.scene.cluster

    def _unmeasurable(self) -> str:
        """Return why nothing can be restored here; "" if something can."""
        scene = self.scene
        if scene.recovery.cluster is None:
            return (
                f"tier {scene.tier} has no cluster in {scene.region}, and Velero restores into one; "
                "from tier pilot on, this drill measures them"
            )
        if scene.topology.existing_cluster:
            return "the cluster is your own (dr:existingCluster), and so are its backups; rehearse their restore"
        denied = [
            f"{verb} {kind}"
            for verb, group, kind, space in IN_CLUSTER
            if not self._api.allows(verb, group, kind, space)
        ]
        if denied:
            return f"denied in the cluster: {', '.join(denied)}; allow it to the role in dr:operatorRoles"
        return ""

    def _newest(self) -> Backup | None:
        """Return the newest completed backup; without one, say so."""
        found, region = self.found, self.scene.region
        try:
            known = velero.backups(self._api)
        except Missing:
            found.source = f"the cluster in {region} does not have Velero"
            return None
        backup = velero.newest(known)
        if backup:
            return backup
        state = velero.location_state(self._api)
        fact = f"{region} has no completed backup of {BACKUP_SCHEDULE}, and {state}"
        if known:
            fact += f"; {known[-1].name} is {known[-1].phase}"
        created = self._api.get(f"{SPACES}/{VELERO}")["metadata"]["creationTimestamp"]
        # Before the first run nothing is late; the alert `VolumeBackupLate` counts from the same time.
        if not known and self._api.now - datetime.fromisoformat(created) <= BACKUP_RPO:
            found.unknown = f"{fact}; the first one is made at 02:00 UTC"
        else:
            found.source = fact
        return None

    def _restore(self, backup: Backup) -> None:
        found, api, run = self.found, self._api, self.scene.options.run.lower()
        name = f"drill-{run}"
        found.source, found.unknown = backup.name, "the restore did not end"
        if backup.started:
            found.age = max(0.0, (self.now - backup.started.astimezone(UTC)).total_seconds())
        mapping = {space: f"{DRILL}-{space}" for space in backup.namespaces}
        if left := [space for space in mapping.values() if _exists(api, space)]:
            fact = f"{', '.join(left)} exist already in {self.scene.region}"
            raise Failed(Problem("namespaces of the drill", fact, "`dr drill stop` deletes those of an earlier drill"))
        self.started = True
        archive = velero.contents(api, backup.name, name, LABEL, self.patience)
        expected = cluster_objects.in_archive(archive, backup.resources)
        self.say(f"{backup.name} has {cluster_objects.counted(expected)}; it is restored to {DRILL}-*")
        for space in mapping.values():
            about = {"name": space, "labels": {**LABEL, **SECURITY}}
            api.create(SPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": about})
        began = time.monotonic()
        velero.start_restore(api, name, backup, mapping, LABEL)
        ended = velero.wait(api, name, self.say, self.patience)
        found.restored = time.monotonic() - began
        self.say(f"restore {name}: {ended.phase} in {found.restored:.1f} s")
        restored = dict(self._restored(backup, mapping))
        wrong = cluster_objects.faults(expected, restored)
        if ended.phase != velero.COMPLETED:
            wrong.append(f"the restore is {ended.phase}: {ended.reasons or 'see its log'}")
        equal = sum(restored.get(key) == value for key, value in expected.items())
        found.measured = f"{cluster_objects.counted(expected)}, {equal} with equal hashes"
        found.faults = wrong
        found.unknown = "" if wrong else f"{found.measured}; whether the backup is complete was not measured"
        self._compare_source(backup, expected)
        found.compared = time.monotonic() - began - found.restored

    def _restored(self, backup: Backup, mapping: Mapping[str, str]) -> Iterator[tuple[Key, str]]:
        """Yield the restored objects with their hashes, by what they were restored from."""
        for (source, target), resource in product(mapping.items(), backup.resources):
            items = self._api.get(f"{SPACES}/{target}/{resource}", labelSelector="velero.io/restore-name")["items"]
            yield from cluster_objects.listed(resource, source, items).items()

    def _compare_source(self, backup: Backup, expected: Mapping[Key, str]) -> None:
        """Compare the backup with the cluster that it came from: without an incident, the primary region's."""
        found, home = self.found, self.scene.home
        try:
            api, source = self.scene.cluster_of(Role.PRIMARY), dict[Key, cluster_objects.Source]()
            created = api.get(f"{velero.BACKUPS}/{backup.name}")["metadata"]["creationTimestamp"]
            for space, resource in product(backup.namespaces, backup.resources):
                items = api.get(f"{SPACES}/{space}/{resource}", labelSelector=backup.selector)["items"]
                source |= cluster_objects.sources(resource, space, items)
        except (Missing, Unreachable) as error:
            if not found.faults:
                found.unknown += f": {error.problems[0].fact}"
            return
        wrong, since = cluster_objects.source_faults(expected, source, datetime.fromisoformat(created))
        found.faults, found.unknown = [*found.faults, *wrong], ""
        if not expected and not source:
            found.unknown = f"{backup.name} is empty: no object in {home} has the label {backup.selector}"
        found.measured += f"; {since} changed since in {home}" if since else f"; none changed since in {home}"


def remove(api: ClusterApi, say: Callable[[str], None]) -> list[str]:
    """Delete what the drill created and restored, and return the names. Raises as `velero.remove`.

    The restores come first: one that runs would create its namespaces again.
    """
    names = [f"restore {each}" for each in velero.remove(api, SELECTOR, say, PATIENCE)]
    spaces = [each["metadata"]["name"] for each in api.get(SPACES, labelSelector=SELECTOR)["items"]]
    for space in spaces:
        with suppress(Missing):
            api.delete(f"{SPACES}/{space}")
    deadline = time.monotonic() + REMOVAL_PATIENCE.total_seconds()
    while left := [space for space in spaces if _exists(api, space)]:
        if time.monotonic() > deadline:
            fact = f"not deleted after {REMOVAL_PATIENCE.total_seconds():.0f} s"
            raise Failed(Problem(", ".join(left), fact, "`kubectl get namespace -o yaml` shows why"))
        time.sleep(velero.POLL_SECONDS)
    return names + spaces


def seen() -> ClassSeen:
    """Return the class before it is measured."""
    return ClassSeen(NAME, BACKUP_RPO)


def _exists(api: ClusterApi, space: str) -> bool:
    try:
        api.get(f"{SPACES}/{space}")
    except Missing:
        return False
    return True
