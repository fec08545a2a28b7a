"""The run of a drill of restores: the newest copy of each class of data, in the recovery region, beside what runs.

It restores one bucket, one volume and one database cluster from the vault of copies, and the objects of the EKS cluster
from Velero's backup, compares them with their sources, and deletes them. It also reads and hashes the newest backup of
the model registry. It moves no traffic and injects no fault, and runs on AWS as on the sandbox. Whatever it asks AWS
Backup for is noted first, so that `dr drill stop` finds it after a kill.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from dr.clients import calls, client
from dr.data import global_database, recovery_points, registry_backup, restore_jobs, restored, restored_cluster, volumes
from dr.data.recovery_points import CLUSTERS, OBJECTS, VOLUMES, Point
from dr.data.restore_jobs import Request
from dr.drills import cluster_restore, guards, running
from dr.drills.attempts import attempt
from dr.drills.backup_restore_result import ClassSeen, Seen
from dr.drills.catalog import BACKUPS
from dr.drills.cluster_restore import ClusterRestore
from dr.drills.running import Process, Running
from dr.errors import Refused
from dr.names import MODELS, REGISTRY, VELERO
from dr.operations import database_steps
from dr.operations.scene import Scene
from dr.topology.backups import DataClass, always_copied, class_of
from dr.topology.topology import Role

REGISTRY_RPO = timedelta(hours=12)
"""Longest age of a backup of the registry: two intervals; the alert `RegistryBackupLate` has the same."""
KINDS = {DataClass.OBJECTS: OBJECTS, DataClass.VOLUMES: VOLUMES, DataClass.DATABASES: CLUSTERS}
"""Types that the drill restores."""


@dataclass
class BackupRestore:
    """One run of the drill.

    Args:
        scene: The recovery region.
        say: Shows a line of progress.
    """

    scene: Scene
    say: Callable[[str], None]

    @cached_property
    def seen(self) -> Seen:
        """What the drill has seen."""
        return Seen(self.scene.options.run, self.scene.tier, self.scene.region)

    @cached_property
    def _running(self) -> Running:
        return Running(BACKUPS, self.seen.run, Process.this())

    @cached_property
    def _now(self) -> datetime:
        """The time of AWS's clock."""
        return self.scene.alarms().at

    def execute(self) -> Seen:
        """Run the drill, and return what it has seen.

        Raises:
            Refused: An incident is open. Nothing was changed.
            DrError: The starting point cannot be read.
        """
        running.check()
        if problems := list(guards.no_incident(self.scene.state())):
            raise Refused(*problems)
        vault = self.scene.topology.copies_vault(Role.RECOVERY)
        points = recovery_points.read(self.scene.region, vault)
        self._running.note()
        try:
            for data in DataClass:
                attempt(lambda data=data: self._class(data, points), self.seen.problems, self.say)  # type: ignore[misc]
            attempt(self._registry, self.seen.problems, self.say)
            attempt(self._cluster, self.seen.problems, self.say)
        finally:
            attempt(lambda: remove(self._noted, self.say), self.seen.problems, self.say)
        running.forget()
        return self.seen

    @property
    def _noted(self) -> Running:
        return running.read() or self._running

    def _class(self, data: DataClass, points: Iterable[Point]) -> None:
        """Restore the newest copy of a class, and compare it."""
        found = ClassSeen(str(data), self.scene.topology.backups_of(data).rpo)
        of_class = [each for each in points if class_of(each.kind) is data]
        if not of_class and data not in self._expected:
            return
        self.seen.classes.append(found)
        point = choose(self._candidates(of_class, data), self._preferred)
        if point is None:
            where = f"of {data} in {self.scene.region}"
            if of_class:
                found.unknown = f"the copies {where} are of {', '.join(sorted({each.kind for each in of_class}))}"
            elif data is not DataClass.VOLUMES:
                found.source = f"no copy {where}"
            else:
                found.unknown = f"no copy {where}; `dr check` names volumes without the tag of the backup plans"
            return
        found.age = max(0.0, (self._now - point.created).total_seconds())
        found.source = f"{point.kind} {point.name}"
        self.say(f"{found.source} is restored from its copy of {point.created:%Y-%m-%d %H:%M:%S} UTC")
        began = time.monotonic()
        job = restore_jobs.wait(point.region, self._start(point, data), self.say)
        found.restored = time.monotonic() - began
        self.say(f"restored as {job.name} in {found.restored:.1f} s")
        found.unknown = "the comparison did not end"
        self._compare(point, job.name, data, found)
        found.compared = time.monotonic() - began - found.restored

    @property
    def _expected(self) -> set[DataClass]:
        """Classes of which a copy is expected."""
        return {DataClass.VOLUMES, *always_copied(self.scene.primary.database is not None)}

    def _candidates(self, points: Iterable[Point], data: DataClass) -> list[Point]:
        """Return the newest copy of each resource that the drill can restore; Velero's bucket has Secrets."""
        velero = {self.scene.topology.bucket(VELERO, role) for role in Role}
        newest = recovery_points.newest(points, KINDS.get(data, "none"))
        return [each for each in newest.values() if each.name not in velero and not each.cold]

    @property
    def _preferred(self) -> set[str]:
        models = {self.scene.topology.bucket(MODELS, role) for role in Role}
        return models | ({self.scene.primary.database.cluster} if self.scene.primary.database else set())

    def _start(self, point: Point, data: DataClass) -> str:
        """Note a request, and start its job."""
        token = f"drill-{self.seen.run}-{data}"
        if data is DataClass.OBJECTS:
            request = restore_jobs.bucket_request(point, scratch_name(self.seen.run), token)
        elif data is DataClass.DATABASES:
            there = database_steps.placed(self.scene)
            where = restore_jobs.place(there.subnet_group, there.security_groups)
            request = restore_jobs.cluster_request(point, scratch_name(self.seen.run), where, token)
        else:
            zone = self.scene.topology.recovery.zones[0]
            request = restore_jobs.volume_request(point, zone, token, tags=False)
        noted = self._noted
        replace(noted, restores=(*noted.restores, asdict(request))).note()
        return restore_jobs.start(request)

    def _compare(self, point: Point, name: str, data: DataClass, found: ClassSeen) -> None:
        if data is DataClass.OBJECTS:
            replica, home = self._replica(point)
            result = restored.compare_objects(point, name, replica, home)
            found.measured, found.faults, found.lost, found.unknown = result.text, result.wrong, result.since, ""
            if result.undecided and not result.faults:
                found.unknown = f"{result.undecided} keys cannot be judged while {home} does not answer"
            elif not result.equal and not result.faults:
                found.faults = ["no object was compared"]
            return
        if data is DataClass.DATABASES:
            cluster, source = global_database.read_cluster(point.region, name), self.scene.primary.database
            found.faults, found.unknown = restored_cluster.faults(cluster, source.engine_version if source else ""), ""
            found.measured = restored_cluster.describe(cluster) if cluster else ""
            return
        volume = restored.read_volume(point.region, name)
        _mark(point.region, name, self.seen.run)
        found.faults, found.unknown = volumes.faults(point, volume), ""
        found.measured = f"{volume.gib} GiB, encrypted, {volume.state}, of {volume.snapshot}; its content was not read"

    def _replica(self, point: Point) -> tuple[str, str]:
        """Return the bucket of the recovery region with the same objects, and the region of the source."""
        topology = self.scene.topology
        for pair in topology.pairs:
            sides = {role: topology.bucket(pair, role) for role in Role}
            if point.name in sides.values():
                source = next(role for role, name in sides.items() if name == point.name)
                return sides[Role.RECOVERY], topology.site(source).region
        return point.name, self.scene.home

    def _cluster(self) -> None:
        """Restore the objects of the cluster, and compare them."""
        self.seen.classes.append(found := cluster_restore.seen())
        part = ClusterRestore(self.scene, found, self._now, self.say)
        try:
            part.execute()
        finally:
            if part.started:
                attempt(lambda: cluster_restore.remove(self.scene.cluster, self.say), self.seen.problems, self.say)

    def _registry(self) -> None:
        """Read and hash every copy of the newest backup of the model registry."""
        region, bucket = self.scene.region, self.scene.topology.bucket(REGISTRY, Role.RECOVERY)
        found = ClassSeen("registry", REGISTRY_RPO)
        self.seen.classes.append(found)
        keys = registry_backup.manifests(region, bucket)
        if not keys:
            found.unknown = f"{bucket} has no backup of the registry yet"
            return
        began = time.monotonic()
        backup = registry_backup.read(region, bucket, keys[0])
        copies = registry_backup.verify(region, bucket, backup)
        found.restored = time.monotonic() - began
        created = datetime.fromisoformat(backup.created)
        found.age = max(0.0, (self._now - created.astimezone(UTC)).total_seconds())
        found.source, found.measured = keys[0], f"{len(copies)} copies with equal hashes"
        found.faults = [f"{each.entry.key}: {each.why or 'unknown'}" for each in copies if not each.intact]


def choose(points: Iterable[Point], preferred: set[str]) -> Point | None:
    """Return the copy that the drill restores: of the models' bucket, else the newest, of those the smallest. Pure."""
    # The size of a database's copy is not relied on: how AWS Backup reports that of Aurora is not documented.
    found = [each for each in points if each.size or each.kind == CLUSTERS]
    return min(found, key=lambda each: (each.name not in preferred, -each.created.timestamp(), each.size), default=None)


def scratch_name(run: str) -> str:
    """Return the name of the bucket, and of the database cluster, that a run restores to. Pure."""
    return re.sub(r"[^a-z0-9-]", "-", f"ml-dr-drill-{run}".lower())


def remove(noted: Running, say: Callable[[str], None]) -> list[str]:
    """Delete what a drill restored, also by jobs that still run, and return their names.

    Each request is repeated with its token, which returns the job that was started. If the drill died before it started
    one, the job is started now, and what it restores is deleted.

    Args:
        noted: The drill.
        say: Shows a line of progress.

    Raises:
        Failed: A call was refused, or a job failed.
        Unreachable: The region does not answer.
    """
    done = []
    for each in noted.restores:
        request = Request(**each)
        job = restore_jobs.read(request.region, restore_jobs.start(request))
        if job.status in restore_jobs.RUNNING:
            job = restore_jobs.wait(request.region, job.id, say)
        if job.created:
            restore_jobs.remove(request.region, request.kind, job.name)
            done.append(f"{request.kind} {job.name}")
    return done


def _mark(region: str, volume: str, run: str) -> None:
    """Tag a volume as one of the drill, so that no check takes it for one with state."""
    tags: list[Mapping[str, str]] = [{"Key": volumes.DRILL_TAG, "Value": run}]
    with calls(f"volume {volume}", region):
        client("ec2", region).create_tags(Resources=[volume], Tags=tags)
