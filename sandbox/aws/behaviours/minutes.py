"""The sandbox's minutes, in real time or when advanced: each starts due schedules, backups and restore tests, then
evaluates all alarms.

Between them, every ten seconds, Route 53's health checks run, suspended functions and restore jobs go on, failed events
are retried, and alarms with a period below a minute are evaluated.
"""

from __future__ import annotations

import datetime
import sys
import threading
import traceback

from sandbox.aws import clock
from sandbox.aws.behaviours import (
    alarms,
    backups,
    certificates,
    fleets,
    global_databases,
    group_metrics,
    health_checks,
    queues,
    replication_metrics,
    restore_tests,
    schedules,
)
from sandbox.aws.behaviours.replication import Replicator
from sandbox.aws.world import World

MINUTE = 60
TICK = 10
POLL_SECONDS = 1.0
"""Interval at which the clock is followed at speed 1."""
LONGEST_STEP = 24 * 60 * MINUTE
"""Seconds by which the clock can be advanced at once."""


class Minutes:
    """Runs every tick of ten seconds once, in order; every sixth one is a minute.

    Args:
        world: The emulator's shared parts.
        replicator: Copies objects between buckets.
    """

    def __init__(self, world: World, replicator: Replicator) -> None:
        self._world, self._replicator = world, replicator
        self._lock = threading.Lock()
        self._done = _number(clock.now())
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.follows = True
        """Whether minutes pass in real time; otherwise only `advance` runs them."""

    def start(self) -> None:
        """Start to follow real time."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following real time."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def forget(self) -> None:
        """Return to the machine's time."""
        with self._lock:
            clock.reset()
            self._done = _number(clock.now())

    def advance(self, seconds: float) -> int:
        """Advance the clock, run every tick passed, and return the number of minutes. Raises ValueError."""
        if not 0 <= seconds <= LONGEST_STEP:
            raise ValueError(f"the clock can be advanced by 0 to {LONGEST_STEP} s at once; got {seconds:g} s")
        end = clock.now() + datetime.timedelta(seconds=seconds)
        ran = 0
        with self._lock:
            while (next_tick := (self._done + 1) * TICK) <= end.timestamp():
                clock.move(max(0.0, next_tick - clock.now().timestamp()))
                ran += self._run_next()
            clock.move(max(0.0, (end - clock.now()).total_seconds()))
        return ran

    def _follow(self) -> None:
        while not self._ended.wait(POLL_SECONDS / clock.speed()):
            with self._lock:
                if not self.follows:
                    self._done = _number(clock.now())
                # Ticks during which the machine slept are skipped. At a higher speed they are run late instead: what
                # they would find is what is being measured.
                if clock.speed() == 1:
                    self._done = max(self._done, _number(clock.now()) - 1)
                if _number(clock.now()) > self._done:
                    self._run_next()

    def _run_next(self) -> bool:
        """Run the next tick, and return whether it is a minute."""
        self._done += 1
        time = datetime.datetime.fromtimestamp(self._done * TICK, datetime.UTC)
        whole = time.second == 0
        try:
            health_checks.run(self._world, time)
            self._world.functions.wake(self._world.faults.unreachable)
            self._world.functions.retry(self._world.faults.unreachable)
            restore_tests.follow(self._world, time)
            if whole:
                schedules.run(self._world, time)
                backups.run(self._world, time)
                restore_tests.run(self._world, time)
                fleets.run(self._world, time)
                group_metrics.publish(self._world.faults, time)
                global_databases.publish(self._world, time)
                queues.publish(self._world.faults, time)
                certificates.publish(self._world.faults, time)
                replication_metrics.publish(self._world.faults, self._replicator, time)
            for region in alarms.regions_with_alarms():
                alarms.evaluate(self._world, region, None if whole else MINUTE, minute=whole)
        except Exception:  # noqa: BLE001 - one tick's failure must not end the clock
            sys.stderr.write(f"tick {time.isoformat()} failed\n{traceback.format_exc()}")
        return whole


def _number(time: datetime.datetime) -> int:
    return int(time.timestamp()) // TICK
