"""Clean-up after a drill whose process died: clients, faults, the clock, the incident, and the drill's objects."""

from __future__ import annotations

import time
from collections.abc import Callable

from dr.drills import pacing, running, writes
from dr.drills.environment import Sandbox
from dr.drills.pacing import Paced
from dr.errors import DrError
from dr.names import CONTROL
from dr.operations import prechecks
from dr.operations.operation import FAILBACK, execute, plan
from dr.operations.scene import Scene
from dr.operations.step_runner import Watcher
from dr.topology.topology import Role

STOP_SECONDS = 240.0
"""Time limit in seconds for a running drill to end by itself: it fails back first."""
HOME_SECONDS = 60.0
"""Time limit in seconds for the primary region to be healthy; the clock runs faster meanwhile."""


def stop(scene: Scene, place: Sandbox, watcher: Watcher, say: Callable[[str], None]) -> list[str]:
    """End the drill of this machine, and return what was cleaned up.

    A drill that runs is interrupted, and cleans up itself. Whatever it left is cleaned up here.

    Args:
        scene: The recovery region, with a new run.
        place: The environment.
        watcher: Observer of the failback.
        say: Shows a line of progress.

    Raises:
        Refused: The failback is refused: the primary region is not healthy.
        DrError: A call failed.
    """
    done = []
    found = running.read()
    if found and found.process.running():
        say(f"drill {found.drill} runs (pid {found.process.pid}): it is interrupted, and cleans up")
        found.process.end(STOP_SECONDS)
        done.append(f"the process of drill {found.drill}")
    if found and found.clients and found.clients.running():
        found.clients.end(STOP_SECONDS)
        done.append("its clients")
    if place.faults():
        place.repair()
        done.append("the faults")
    state = scene.state()
    incident = state.incident
    if incident and incident.reason.startswith("drill "):
        _fail_back(scene, place, watcher)
        done.append(f"incident {incident.id}")
    place.run_at(pacing.MACHINE)
    if found:
        writes.remove(scene.home, scene.topology.bucket(CONTROL, Role.PRIMARY), found.run)
        done.append("its objects")
    running.forget()
    return done


def _fail_back(scene: Scene, place: Sandbox, watcher: Watcher) -> None:
    place.run_at(pacing.STEADY)
    deadline = time.monotonic() + HOME_SECONDS
    refusal: DrError | None
    while refusal := prechecks.refusal(scene, FAILBACK.guards, prechecks.run(scene, FAILBACK.guards)):
        if time.monotonic() > deadline:
            place.run_at(pacing.MACHINE)
            raise refusal
        time.sleep(0.3)
    place.run_at(pacing.MACHINE)
    execute(scene, FAILBACK, plan(scene, FAILBACK), Paced(watcher, place))
