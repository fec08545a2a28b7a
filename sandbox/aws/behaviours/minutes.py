"""The sandbox's minutes: each starts what is scheduled and then looks at every alarm, in real time or all at once."""

from __future__ import annotations

import datetime
import sys
import threading
import traceback

from sandbox.aws import clock
from sandbox.aws.behaviours import alarms, group_metrics, schedules
from sandbox.aws.world import World

MINUTE = 60
LOOK_EVERY_SECONDS = 1.0
LONGEST_STEP = 24 * 60 * MINUTE


class Minutes:
    """Runs every minute that begins, in order, each once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._done = _number(clock.now())
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.follows = True
        """Whether real minutes count; off, only `advance` makes any."""

    def start(self) -> None:
        """Follow real time from here on."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following it."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def forget(self) -> None:
        """Begin anew at the machine's time."""
        with self._lock:
            clock.reset()
            self._done = _number(clock.now())

    def advance(self, seconds: float) -> int:
        """Put the clock forward, through every minute between; how many began. Raises ValueError."""
        if not 0 <= seconds <= LONGEST_STEP:
            raise ValueError(f"the clock goes forward, by {LONGEST_STEP} s at most in one step; got {seconds:g} s")
        end = clock.now() + datetime.timedelta(seconds=seconds)
        ran = 0
        with self._lock:
            while (next_minute := (self._done + 1) * MINUTE) <= end.timestamp():
                clock.move(max(0.0, next_minute - clock.now().timestamp()))
                self._run_next()
                ran += 1
            clock.move(max(0.0, (end - clock.now()).total_seconds()))
        return ran

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            with self._lock:
                if not self.follows:
                    self._done = _number(clock.now())
                # After a machine was asleep, the minutes it missed are missed.
                self._done = max(self._done, _number(clock.now()) - 1)
                if _number(clock.now()) > self._done:
                    self._run_next()

    def _run_next(self) -> None:
        self._done += 1
        minute = datetime.datetime.fromtimestamp(self._done * MINUTE, datetime.UTC)
        try:
            schedules.run(self._world, minute)
            group_metrics.publish(self._world.faults, minute)
            for region in alarms.regions_with_alarms():
                alarms.evaluate(self._world, region)
        except Exception:  # noqa: BLE001 - one minute's failure must not end the clock
            sys.stderr.write(f"minute {minute.isoformat()} failed\n{traceback.format_exc()}")


def _number(time: datetime.datetime) -> int:
    return int(time.timestamp()) // MINUTE
