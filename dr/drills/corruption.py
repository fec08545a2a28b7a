"""The run of a drill of corrupted data: objects are overwritten and deleted by valid credentials, and restored.

Replication copies the damage, so the other region does not help: the versions of before do. The drill works on objects
of its own, in the bucket pair `control`, which also replicates deletions. It moves no traffic, and runs on AWS as on
the sandbox. `dr restore` of the command line is what restores.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from dr.clients import Missing, calls, client
from dr.data import prefix_restore, versions
from dr.data.prefix_restore import Wanted
from dr.drills import guards, running, writes
from dr.drills.attempts import attempt
from dr.drills.catalog import CORRUPTION
from dr.drills.corruption_result import Regions, Seen
from dr.drills.running import Process, Running
from dr.drills.writes import PREFIX, Writer
from dr.errors import Failed, Problem, Refused
from dr.names import CONTROL
from dr.operations.scene import Scene
from dr.topology.topology import Role

OBJECTS = 200
"""Objects that are there before, besides one a second."""
BEFORE = timedelta(seconds=5)
"""How long an object is written each second before the damage."""
DAMAGE = b"damaged by a drill\n"
ARRIVAL = timedelta(minutes=15)
"""Time limit for versions to reach the other region (Amazon S3 user guide, "S3 Replication Time Control")."""
WORKERS = 16
POLL_SECONDS = 0.5
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Corruption:
    """One run of the drill.

    Args:
        scene: The recovery region.
        say: Shows a line of progress.
        objects: Number of objects that are there before.
    """

    scene: Scene
    say: Callable[[str], None]
    objects: int = OBJECTS

    @cached_property
    def seen(self) -> Seen:
        """What the drill has seen."""
        scene = self.scene
        return Seen(scene.options.run, scene.tier, scene.home, scene.region, self._buckets[scene.home])

    @cached_property
    def _buckets(self) -> Mapping[str, str]:
        """The bucket by region."""
        topology = self.scene.topology
        roles = {self.scene.home: Role.PRIMARY, self.scene.region: Role.RECOVERY}
        return {region: topology.bucket(CONTROL, role) for region, role in roles.items()}

    @property
    def _prefix(self) -> str:
        return f"{PREFIX}{self.seen.run}/"

    def execute(self) -> Seen:
        """Run the drill, and return what it has seen.

        Raises:
            Refused: An incident is open. Nothing was changed.
            DrError: The starting point cannot be read.
        """
        running.check()
        if problems := list(guards.no_incident(self.scene.state())):
            raise Refused(*problems)
        Running(CORRUPTION, self.seen.run, Process.this()).note()
        try:
            self._attempt(self._damage_and_restore)
        finally:
            self._attempt(lambda: writes.remove(self.seen.home, self.seen.bucket, self.seen.run))
        running.forget()
        return self.seen

    def _attempt(self, act: Callable[[], None]) -> None:
        attempt(act, self.seen.problems, self.say)

    def _damage_and_restore(self) -> None:
        seen = self.seen
        self.say(f"{self.objects} objects are written in {seen.home}, and one more each second")
        keys = (f"{self._prefix}data/{number:04}" for number in range(self.objects))
        seen.good = dict(self._together(self._write, keys))
        self._until("all objects in both regions", lambda: self._equal() == Regions(self.objects, self.objects))
        # Until the damage, so that the recovery point is measured.
        writer = Writer(seen.home, seen.bucket, seen.run)
        writer.start()
        time.sleep(BEFORE.total_seconds())
        acknowledged = writer.stop()
        seen.acknowledged = {each.key: each.acknowledged for each in acknowledged}
        seen.good = {**seen.good, **{each.key: _hash(_number(each.key)) for each in acknowledged}}
        seen.versions = self._count()
        self._damage()
        self._restore()
        self._until("what was restored in both regions", self._settled, required=False)
        seen.equal, seen.compared_at = self._equal(), datetime.now(UTC)
        seen.lost = sorted(self._differing(seen.home))
        seen.kept = self._count()

    def _damage(self) -> None:
        """Overwrite one half of the objects and delete the other, and wait until the damage is in both regions."""
        seen = self.seen
        seen.fault_at = datetime.now(UTC)
        self.say(f"{len(seen.good)} objects are overwritten or deleted by valid credentials")
        self._together(self._spoil, enumerate(seen.good))
        self._until("the damage in both regions", lambda: self._equal() == Regions(0, 0))
        seen.damaged = self._equal()
        self.say("replication has copied the damage to the other region")

    def _restore(self) -> None:
        """Restore as of the last whole second before the damage: S3 stores times in whole seconds."""
        seen = self.seen
        if seen.fault_at is None:
            return
        seen.as_of = seen.fault_at.replace(microsecond=0) - timedelta(seconds=1)
        began = time.monotonic()
        wanted = Wanted(seen.home, seen.bucket, self._prefix, seen.as_of, overwrite=True, records=seen.bucket)
        found = prefix_restore.execute(prefix_restore.plan(wanted, _quiet), _quiet)
        seen.restore_seconds = time.monotonic() - began
        self._attempt(wanted.record.forget)
        seen.problems += [str(each.fact) for each in (found.done.problems if found.done else ())]
        self.say(f"restored as of {seen.as_of:%H:%M:%S} UTC in {seen.restore_seconds:.1f} s")

    def _settled(self) -> bool:
        """Return whether both regions have the same good objects, and no more are to come."""
        found = self._equal()
        return found.home == found.recovery >= len(self.seen.good) - len(self.seen.acknowledged)

    def _write(self, key: str) -> tuple[str, str]:
        body = key.encode()
        self._call(key, lambda: client("s3", self.seen.home).put_object(Bucket=self.seen.bucket, Key=key, Body=body))
        return key, _hash(body)

    def _spoil(self, numbered: tuple[int, str]) -> None:
        number, key = numbered
        s3, bucket = client("s3", self.seen.home), self.seen.bucket
        if number % 2:
            self._call(key, lambda: s3.delete_object(Bucket=bucket, Key=key))
        else:
            self._call(key, lambda: s3.put_object(Bucket=bucket, Key=key, Body=DAMAGE))

    def _call(self, key: str, act: Callable[[], object]) -> None:
        with calls(f"s3://{self.seen.bucket}/{key}", self.seen.home):
            act()

    def _equal(self) -> Regions:
        """Return how many objects are good in each region, by the hash of their bytes."""
        total = len(self.seen.good)
        return Regions(*(total - len(self._differing(region)) for region in (self.seen.home, self.seen.recovery)))

    def _differing(self, region: str) -> list[str]:
        """Return the keys of the objects that are not good in a region."""
        found = self._together(lambda key: (key, self._hash_in(region, key)), self.seen.good)
        return [key for key, digest in found if digest != self.seen.good[key]]

    def _hash_in(self, region: str, key: str) -> str:
        bucket = self._buckets[region]
        try:
            with calls(f"s3://{bucket}/{key}", region):
                return _hash(client("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read())
        except Missing:
            return ""

    def _count(self) -> int:
        """Return the number of versions of the drill's objects in the primary region, without delete markers."""
        found = versions.stream(self.seen.home, self.seen.bucket, self._prefix)
        return sum(each.is_object for each in found)

    def _together(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            return list(pool.map(work, items))

    def _until(self, what: str, met: Callable[[], bool], required: bool = True) -> None:
        deadline = time.monotonic() + ARRIVAL.total_seconds()
        while not met():
            if time.monotonic() > deadline:
                if not required:
                    return
                fact = f"not within {ARRIVAL.total_seconds() / 60:.0f} min"
                raise Failed(Problem(what, fact, "`dr status` shows whether replication is late"))
            time.sleep(POLL_SECONDS)


def _number(key: str) -> bytes:
    """Return the content of an object of `Writer`."""
    return str(int(key.rpartition("/")[2])).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _quiet(text: str, share: float | None) -> None:
    """Show no progress: the drill says what it does."""
