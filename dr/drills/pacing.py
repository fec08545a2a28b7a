"""Speed of the environment's clock during a drill: fast while a modelled duration passes, else that of the machine.

Real work that runs beside a modelled duration counts at the clock's speed, so a recovery time is overstated by it, and
never understated.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Set
from typing import Any

from dr.drills.environment import Sandbox
from dr.drills.watching import Noted
from dr.operations.step_runner import Watcher
from dr.operations.steps import Phase, Step

WAITING = 5.0
"""Speed while alarms, health checks and the time to live of DNS answers pass. With ten requests a second, two requests
are half a second of the clock apart; on a busy machine more, and 2 s is the largest error of a recovery time."""
STEADY = 10.0
"""Speed while no recovery time is measured: a busy machine still runs all that is due in a minute in six seconds."""
MACHINE = 1.0
BY_PHASE: Mapping[Phase, float] = {Phase.DNS: WAITING}
NODES = "nodes"
"""The step that waits for instances to boot, at the speed at which the environment boots them."""


class Paced(Noted):
    """A watcher that sets the clock's speed by the steps that run, and passes everything on.

    Args:
        inner: The watcher that shows the run.
        place: The environment.
        boots: Names of the steps that wait for modelled durations at the environment's speed of them.
    """

    def __init__(self, inner: Watcher, place: Sandbox, boots: Set[str] = frozenset({NODES})) -> None:
        super().__init__(inner, lambda outcome: self._change(outcome.step, None))
        self._place, self._boots = place, boots
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()

    def started(self, step: Step[Any], position: int, total: int) -> None:
        """Set the speed for a step that starts."""
        speed = self._place.boot_speed if step.name in self._boots else BY_PHASE.get(step.phase, MACHINE)
        self._change(step.name, speed)
        super().started(step, position, total)

    def _change(self, step: str, speed: float | None) -> None:
        with self._lock:
            if speed is None:
                self._running.pop(step, None)
            else:
                self._running[step] = speed
            self._place.run_at(max(self._running.values(), default=MACHINE))
